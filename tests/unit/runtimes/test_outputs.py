from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelserve.runtimes.outputs import rows_of, split

OUTPUTS: list[tuple[Any, list[Any]]] = [
    (np.array([1, 2, 3]), [[1], [2, 3]]),
    (np.array([[1, 2], [3, 4], [5, 6]]), [[[1, 2]], [[3, 4], [5, 6]]]),
    (["a", "b", "c"], [["a"], ["b", "c"]]),
    (pd.Series([1, 2, 3]), [[1], [2, 3]]),
    (pd.DataFrame({"x": [1, 2, 3]}), [[[1]], [[2], [3]]]),
]


@pytest.mark.parametrize(("output", "parts"), OUTPUTS, ids=[type(output).__name__ for output, _ in OUTPUTS])
def test_an_output_with_one_row_per_row_is_split_exactly(output: Any, parts: list[Any]) -> None:
    found = split(output, [1, 2])
    assert found is not None
    assert [type(part) for part in found] == [type(output)] * 2
    assert [np.asarray(part).tolist() for part in found] == parts


def test_a_part_of_a_frame_has_an_index_of_its_own() -> None:
    found = split(pd.DataFrame({"x": [1, 2, 3]}), [1, 2])
    assert found is not None
    assert found[1].index.tolist() == [0, 1]


@pytest.mark.parametrize(
    "output", [np.array(5.0), np.array([1]), [1], 5, "abc", None, {"a": [1, 2, 3]}, [np.zeros((3, 2))] * 3]
)
def test_an_output_without_one_row_per_row_is_not_split(output: Any) -> None:
    assert split(output, [1, 2]) is None


@pytest.mark.parametrize(
    ("output", "rows"),
    [
        (np.zeros((4, 2)), 4),
        (np.array(1), None),
        ([], 0),
        ("abcd", None),
        ([np.zeros((4, 2))] * 4, None),
        ([pd.Series([1])], None),
        ([pd.DataFrame({"x": [1]})], None),
        ([np.float64(1)], 1),
    ],
)
def test_rows_are_counted_where_there_are_any(output: Any, rows: int | None) -> None:
    assert rows_of(output) == rows
