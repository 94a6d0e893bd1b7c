"""Rows beside those that a version refuses keep their predictions."""

from __future__ import annotations

import io

import numpy as np
import pytest

from modelserve_control.common.errors import NothingScored
from modelserve_control.common.progress import Lines
from modelserve_control.monitor.scoring import score_loaded
from signatures import signature
from tiny import Tiny, loaded

X = signature(x="double")


def test_a_refused_row_takes_no_other_row_with_it() -> None:
    said = io.StringIO()
    values = np.arange(100.0).astype(object)
    values[[3, 50]] = None, "far"
    with loaded(Tiny(), X) as made:
        found = score_loaded(made, {"x": values, "other": values}, 100, Lines(said))
    assert [row for row in range(100) if found["prediction"][row] is None] == [3, 50]
    assert found["prediction"][4] == 8.0
    assert said.getvalue().startswith("warning: 2 of 100 rows have no prediction: x: null in a required column.")
    assert "x: a string, needs double." in said.getvalue()


def test_a_missing_column_is_said_before_any_row_is_tried() -> None:
    runtime = Tiny()
    with loaded(runtime, X) as made, pytest.raises(NothingScored, match=r"None of the 9 rows .*: x: a required column"):
        score_loaded(made, {"y": np.arange(9.0)}, 9, Lines())
    assert runtime.sizes == []
