"""The rows of several windows, on which a simulated training is made."""

from __future__ import annotations

import numpy as np

from modelserve_control.retrain.simulate import Period, join


def test_windows_whose_columns_have_other_types_are_one_table() -> None:
    months = [
        Period("2026-01", {"trips": np.array([1, 2]), "place": ["a", "b"]}, 2),
        Period("2026-02", {"trips": [None, None], "place": [None, None]}, 2),
        Period("2026-03", {"trips": [None, 3], "place": ["c", None]}, 2),
        Period("2026-04", {"trips": np.array([0.5, np.nan]), "place": ["d", "e"]}, 2),
    ]
    joined = join(months).to_pydict()
    assert joined["trips"][:7] == [1, 2, None, None, None, 3, 0.5]
    assert joined["place"] == ["a", "b", None, None, "c", None, "d", "e"]
