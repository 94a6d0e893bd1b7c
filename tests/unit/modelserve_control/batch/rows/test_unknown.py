"""Which cells hold a category that the model has never seen."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from modelserve_control.batch.rows.unknown import UnknownCategories

CELLS = ["a", "x", None, "b", "y", "x", None]


@pytest.mark.parametrize(
    "column",
    [
        CELLS,
        tuple(CELLS),
        pa.array(CELLS),
        pa.array(CELLS, pa.large_string()),
        pa.array(CELLS).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, 4, 1, None]), pa.array(["a", "x", None, "b", "y"])),
        pa.concat_arrays([pa.array(["x"]), pa.array(CELLS)])[1:],
    ],
    ids=lambda column: str(getattr(column, "type", "list")),
)
def test_texts_that_are_not_known_are_counted_and_nulls_are_missing(column: Any) -> None:
    unknown = UnknownCategories({"c": ["a", "b"], "not there": ["a"]})
    assert unknown.count({"c": column, "other": column}, ()) == 3
    assert unknown.count({"c": column}, [1, 2, 3]) == 2


def test_numbers_and_nulls_alone_are_no_texts() -> None:
    unknown = UnknownCategories({"c": ["a"]})
    for column in (pa.array([1.5]), pa.nulls(3), pa.array([], pa.string()), [], [None], [1]):
        assert unknown.count({"c": column}, ()) == 0
