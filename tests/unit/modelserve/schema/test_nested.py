from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from modelserve.schema.nested import within
from modelserve.schema.types import SCALARS, FloatType, IntegerType
from signatures import bad_cells, signature_of, table

ARRAY = {"type": "array", "items": {"type": "long"}}
OBJECT = {
    "type": "object",
    "properties": {"a": {"type": "long", "required": True}, "b": {"type": "string", "required": False}},
}
MAP = {"type": "map", "values": {"type": "double"}}
DEEP = {"type": "array", "items": {"type": "object", "properties": {"when": {"type": "datetime"}}}}

DOUBLES = {"type": "array", "items": {"type": "double"}}
FLOATS = {"type": "array", "items": {"type": "float"}}

FITS: list[tuple[dict[str, Any], Any, Any]] = [
    (ARRAY, [1, 2.0], [1, 2]),
    (ARRAY, [], []),
    (ARRAY, [1, 2], [1, 2]),
    (DOUBLES, [], []),
    (DOUBLES, [1, 2.5], [1.0, 2.5]),
    (FLOATS, [0.1, 1], [0.1, 1.0]),
    ({"type": "array", "items": {"type": "string"}}, ["a", "b"], ["a", "b"]),
    (OBJECT, {"a": 1, "b": "x"}, {"a": 1, "b": "x"}),
    (OBJECT, {"a": 1}, {"a": 1}),
    (OBJECT, {"a": 1, "b": None}, {"a": 1, "b": None}),
    (MAP, {"k": 1, "l": 0.5}, {"k": 1.0, "l": 0.5}),
    (MAP, {}, {}),
    (DEEP, [{"when": "2024-01-02T00:00:01Z"}], [{"when": datetime(2024, 1, 2, 0, 0, 1)}]),
    ({"type": "any"}, {"x": [1, None, "y"]}, {"x": [1, None, "y"]}),
]

REFUSED: list[tuple[dict[str, Any], Any, str]] = [
    (ARRAY, "abc", "a string, needs an array"),
    (ARRAY, [1, 1.5], "item 1: has a fraction, needs long"),
    (ARRAY, [None], "item 0: null in a required column"),
    (OBJECT, [1], "a list, needs an object"),
    (OBJECT, {"b": "x"}, "field a: missing"),
    (OBJECT, {"a": 1, "hidden": 2, "more": 3}, "2 fields that the signature does not have"),
    (OBJECT, {"a": True}, "field a: a boolean, needs long"),
    (MAP, 5, "an integer, needs a map"),
    (MAP, {"secret": "x"}, "a value of the map: a string, needs double"),
    (DEEP, [{"when": "soon"}], "item 0: field when: not a datetime in ISO 8601 with at most nine decimals"),
]


@pytest.mark.parametrize(("spec", "value", "expected"), FITS)
def test_a_nested_value_is_kept_as_python_has_it(spec: dict[str, Any], value: Any, expected: Any) -> None:
    column = signature_of([{"name": "c", **spec}]).check(table(c=[value])).columns["c"]
    assert column.dtype == object
    assert column.tolist() == [expected]


@pytest.mark.parametrize(("spec", "value", "reason"), REFUSED)
def test_a_bad_item_names_its_place(spec: dict[str, Any], value: Any, reason: str) -> None:
    assert bad_cells(lambda: signature_of([{"name": "c", **spec}]).check(table(c=[value]))) == [(0, "c", reason)]


@pytest.mark.parametrize("spec", [ARRAY, OBJECT, MAP, {"type": "any"}])
def test_nested_columns_take_null_when_optional_and_no_rows(spec: dict[str, Any]) -> None:
    optional = signature_of([{"name": "c", "required": False, **spec}])
    assert optional.check(table(c=[None])).columns["c"].tolist() == [None]
    assert optional.check(table(c=[])).columns["c"].shape == (0,)


def test_lists_of_one_length_stay_one_cell_each() -> None:
    column = signature_of([{"name": "c", **ARRAY}]).check(table(c=[[1, 2], [3, 4]])).columns["c"]
    assert column.shape == (2,)


def test_items_of_one_type_are_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_by_one(*_: Any) -> Any:
        raise AssertionError("an item was checked by itself")

    for kind in (IntegerType, FloatType):
        monkeypatch.setattr(kind, "cell", one_by_one)
    for spec in (ARRAY, DOUBLES):
        column = signature_of([{"name": "c", **spec}]).check(table(c=[[1, 2, 3]])).columns["c"]
        assert column.tolist() == [[1, 2, 3]]
    assert [type(item) for item in column[0]] == [float] * 3


class Place:
    """Where an item stands; putting it in words is what costs."""

    def __str__(self) -> str:
        raise AssertionError("a place was put in words for an item that fits")


def test_a_place_is_put_in_words_only_for_a_reason() -> None:
    assert within("item ", Place(), SCALARS["long"], 5) == 5
    with pytest.raises(ValueError, match="item 7: a string, needs long"):
        within("item ", 7, SCALARS["long"], "x")
