"""Which cells hold a category that the model has never seen."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from modelserve_control.batch.rows.unknown import ColumnTexts, UnknownCategories, find_warnings

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
    assert unknown.count({"c": column, "other": column}, ()) == {"c": ColumnTexts(5, 3, "x")}
    assert unknown.count({"c": column}, [1, 2, 3]) == {"c": ColumnTexts(3, 2, "y")}


def test_numbers_and_nulls_alone_are_no_texts() -> None:
    unknown = UnknownCategories({"c": ["a"]})
    for column in (pa.array([1.5]), pa.nulls(3), pa.array([], pa.string()), [], [None], [1]):
        assert unknown.count({"c": column}, ()).get("c", ColumnTexts()) == ColumnTexts()


@pytest.mark.parametrize(
    ("texts", "unknown", "warned"), [(100, 100, True), (100, 95, True), (100, 94, False), (9, 0, False)]
)
def test_a_column_of_which_the_model_knows_nearly_nothing_is_named_with_one_text_of_each(
    texts: int, unknown: int, warned: bool
) -> None:
    counted = ColumnTexts()
    counted.add(ColumnTexts(texts, unknown, "231.0" if unknown else None))
    counted.add(ColumnTexts(0, 0))
    message = (
        f"the model has never seen {unknown} of the {texts} texts of zone, such as '231.0'; one that it knows is '231'"
    )
    assert find_warnings({"zone": counted}, {"zone": ["7", "231"]}) == ([message] if warned else [])
