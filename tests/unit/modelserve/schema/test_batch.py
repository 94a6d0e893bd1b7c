from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve.schema.batch import Batch, Matrix, concatenate


def of_cells(**columns: Any) -> Batch:
    rows = len(next(iter(columns.values())))
    return Batch.of_cells(columns, rows, lambda: {name: np.array(values) for name, values in columns.items()})


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([np.array([1.5, np.nan]), np.array([2.5])], np.ndarray),
        ([[1.5, None], (2.5,)], list),
        ([np.array([1.5]), [2.5, None]], list),
    ],
    ids=["arrays", "values", "both"],
)
def test_cells_that_came_as_arrays_stay_arrays(parts: list[Any], kind: type) -> None:
    joined = concatenate([of_cells(x=part, t=["a"] * len(part)) for part in parts])
    assert joined.cells is not None
    assert (joined.rows, type(joined.cells["x"]), joined.cells["t"]) == (3, kind, ["a"] * 3)
    numbers = np.array([number for part in parts for number in part], dtype=float)
    np.testing.assert_array_equal(np.array(joined.cells["x"], dtype=float), numbers)


def test_rows_of_one_array_stay_one_beside_others_of_their_kind() -> None:
    one = Batch.of_cells(Matrix(("a", "b"), np.array([[1.0, 2.0]])), 1, dict)
    other = of_cells(a=[3.0], b=[4.0])
    together = concatenate([one, one])
    assert isinstance(together.cells, Matrix)
    assert together.cells.array.tolist() == [[1.0, 2.0], [1.0, 2.0]]
    beside = concatenate([one, other])
    assert beside.cells is not None
    assert {name: list(values) for name, values in beside.cells.items()} == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
