from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from modelserve.payloads import Limits
from modelserve.payloads.json.typed.cells import FEW_BYTES, FEW_KEYS, Cells, Unusual, cell_type, check_keys, refuse
from modelserve.schema.signature import Column
from modelserve.schema.types import EXACT, SCALARS
from signatures import signature
from two_decoders import LIMITS

FITTING: dict[str, list[Any]] = {
    "string": ["", "a"],
    "boolean": [True, False],
    "integer": [-(2**31), 2**31 - 1],
    "long": [1 - EXACT, EXACT - 1],
    "float": [-0.0, 2**24, 3.4e38],
    "double": [-0.0, 1 - EXACT, EXACT - 1, 2.0**52 + 0.5],
    "datetime": ["2024-01-02T03:04:05+01:00"],
    "binary": ["AAE="],
}
OUTSIDE: dict[str, list[Any]] = {
    "string": [1],
    "boolean": [0, "true"],
    "integer": [-(2**31) - 1, 2**31, 1.0, True],
    "long": [-EXACT, EXACT, 1.0, False],
    "float": [2**24 + 1, 3.5e38, True],
    "double": [-EXACT, EXACT, -float(EXACT), float(EXACT), True],
    "datetime": ["2024-13-01"],
    "binary": ["AAE"],
}


def check(kind: str, values: list[Any], limits: Limits = LIMITS) -> Any:
    """What becomes of a column. Raises Unusual, or what msgspec raises."""
    known = signature(c=kind)
    cell = cell_type(known.columns[0], {})
    decoded: Any = msgspec.json.decode(msgspec.json.encode(values), type=list[cell])  # type: ignore[valid-type]  # made of a column
    return Cells(known, limits).table({"c": decoded}, len(values)).columns["c"]


@pytest.mark.parametrize("kind", FITTING)
@pytest.mark.parametrize("nulls", [[], [None]])
def test_cells_that_fit_are_what_the_check_of_the_column_makes_of_them(kind: str, nulls: list[None]) -> None:
    values = [*nulls, *FITTING[kind]]
    column, required = SCALARS[kind], not nulls
    expected = column.check(values, required, refuse)
    found = column.check(check(kind + "?" * len(nulls), values), required, refuse)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in OUTSIDE.items() for value in values])
@pytest.mark.parametrize("optional", ["", "?"])
def test_a_cell_that_does_not_fit_is_unusual_wherever_it_stands(kind: str, value: Any, optional: str) -> None:
    for values in ([value], [FITTING[kind][0], value], [value, FITTING[kind][0]], [None, value][not optional :]):
        with pytest.raises((Unusual, msgspec.ValidationError)):
            check(kind + optional, values)


@pytest.mark.parametrize("kind", ["integer?", "long?", "double?", "float?"])
def test_a_column_of_nulls_fits(kind: str) -> None:
    assert list(map(str, check(kind, [None, None]))) in (["None", "None"], ["nan", "nan"])


@pytest.mark.parametrize(
    ("rows", "limits"),
    [
        (0, LIMITS),
        (3, Limits(rows=2, columns=9, depth=9)),
        (3, Limits(rows=9, columns=9, depth=9, cells=2)),
    ],
)
def test_no_rows_too_many_and_too_many_cells_are_unusual(rows: int, limits: Limits) -> None:
    with pytest.raises(Unusual):
        check("string", ["a"] * rows, limits=limits)


def test_as_many_rows_and_cells_as_the_limits_are_taken() -> None:
    assert check("string", ["a"] * 3, limits=Limits(rows=3, columns=9, depth=9, cells=3)) == ["a"] * 3


def test_with_categories_a_text_is_one_of_them() -> None:
    column, other = Column("c", SCALARS["string"]), Column("d", SCALARS["string"], required=False)
    known = {"c": ["a", "b"], "d": []}
    assert msgspec.json.decode(b'"b"', type=cell_type(column, known)) == "b"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'"x"', type=cell_type(column, known))
    assert msgspec.json.decode(b'"x"', type=cell_type(other, known)) == "x"
    assert msgspec.json.decode(b"null", type=cell_type(other, known)) is None


# --- how many keys a body has, in few bytes and in many ---


Count = Callable[[bytes, int], None]


@pytest.fixture(params=[(0, 0), (0, FEW_BYTES), (FEW_KEYS, FEW_BYTES)], ids=["few", "many bytes", "many keys"])
def count(request: pytest.FixtureRequest) -> Count:
    """`check_keys` of a value beside others, which have so many keys and so many bytes."""
    keys, size = request.param
    return lambda value, own: check_keys(b"[" + value + b',{"k":1}' * keys + b" " * size + b"]", own + keys)


def test_as_many_colons_as_keys_leave_no_room_for_another(count: Count) -> None:
    count(b'{"a": 1, "b" :2}', 2)
    for keys in (1, 3):
        with pytest.raises(Unusual):
            count(b'{"a": 1, "b" :2}', keys)


def test_colons_in_texts_are_told_from_those_behind_keys(count: Count) -> None:
    count(b'{"a:b": "c:d::", "e": "10:30"}', 2)
    with pytest.raises(Unusual):
        count(b'{"a:b": "c:d", "a:b": 1}', 1)
    with pytest.raises(Unusual):  # a quotation mark in a text
        count(rb'{"a": "\":"}', 1)


@pytest.mark.parametrize("spaced", [b" :", b"\t:", b"\n:", b"\r:", b" \n\t:"])
def test_a_key_with_a_space_behind_it_hides_behind_no_text(count: Count, spaced: bytes) -> None:
    """The quotation mark in the text does not stand for the last key."""
    with pytest.raises(Unusual):
        count(rb'{"a": "\":", "b": 1, "b"%s 1}' % spaced, 3)


def test_a_text_alone_has_no_keys(count: Count) -> None:
    count(b'"a: b"', 0)
