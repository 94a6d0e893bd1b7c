"""Columns read from Arrow are those that the signature's check makes of the same values, one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from modelserve.core.errors import SignatureMismatch
from modelserve.payloads import parquet
from modelserve.schema.batch import Table
from modelserve.schema.signature import Signature
from modelserve.schema.texts import Words
from modelserve_control.batch.rows.arrow_columns import read_columns
from signatures import signature, signature_of, tensor

BIG = 2**53
NUMBERS = [0, 1, -7, 41, 2**31 - 1, 2**31, -(2**31) - 1, 2**24, 2**24 + 1, BIG, BIG + 1, -(BIG) - 1, 2**62, None]
FLOATS = [0.0, -0.0, 1.5, 41.0, 1e300, -1e39, float("inf"), float("nan"), float(BIG), 2.0**40, None, 0.1]
# A division of the last one's digits would not give the nearest double.
DECIMALS = [Decimal("79.85"), Decimal("20"), Decimal("-0.5"), Decimal("123456789012345678.5"), Decimal("1e15"), None]
DECIMALS += [Decimal("644461693.100611747")]
INSTANTS = [datetime(2022, 3, 1, 12, 30, tzinfo=UTC), None, datetime(1970, 1, 1, tzinfo=UTC)]
LATE = [datetime(2022, 3, 1), datetime(9999, 12, 31), None, datetime(1, 1, 1)]
WORDS = ["a", "b", None, "a", "", "long " * 9]

COLUMNS: dict[str, pa.Array] = {
    "int64": pa.array(NUMBERS),
    "int64 without nulls": pa.array(NUMBERS[:-1]),
    "int8": pa.array([1, 2, None], pa.int8()),
    "uint64": pa.array([1, 2**63, 2**64 - 1, None], pa.uint64()),
    "double": pa.array(FLOATS),
    "whole doubles": pa.array([1.0, 2.0, float("nan"), 1.5]),
    "float": pa.array([0.1, 3.0, None], pa.float32()),
    "boolean": pa.array([True, False, None]),
    "booleans": pa.array([True, False]),
    "string": pa.array(WORDS),
    "large_string": pa.array(WORDS, pa.large_string()),
    "dictionary": pa.array(WORDS).dictionary_encode(),
    "null in the dictionary": pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 1]), pa.array(["a", None])),
    "large dictionary": pa.DictionaryArray.from_arrays(pa.array([9, None]), pa.array([str(at) for at in range(10)])),
    "dictionary of numbers": pa.array([1, 2, None, 1]).dictionary_encode(),
    "decimal": pa.array(DECIMALS, pa.decimal128(38, 9)),
    "negative decimal": pa.array([Decimal("-123456789012345678.5"), Decimal(-1)], pa.decimal128(38, 9)),
    "prices": pa.array(
        [Decimal("1234567.25"), Decimal("-8000000000.5"), Decimal(0), None, Decimal("0.000000001")],
        pa.decimal128(38, 9),
    ),
    "whole decimal": pa.array([Decimal(1), Decimal(2**40), None], pa.decimal128(20, 0)),
    "zone": pa.array(INSTANTS, pa.timestamp("us", "Europe/Zurich")),
    "seconds": pa.array(LATE, pa.timestamp("s")),
    "nanoseconds": pa.array([datetime(2022, 3, 1), None], pa.timestamp("ns")),
    "date": pa.array([date(2022, 3, 1), None], pa.date32()),
    "all null": pa.nulls(3),
    "typed nulls": pa.nulls(3, pa.float64()),
    "bytes": pa.array([b"x", None]),
    "lists": pa.array([[1.0, 2.0], [3.0, 4.0]]),
    "ragged": pa.array([[1.0, 2.0], [3.0], None]),
    "none": pa.array([], pa.float64()),
}
KINDS = ("integer", "long", "float", "double", "boolean", "string", "datetime", "binary")


def check_row(described: Signature, array: pa.Array, row: int) -> Any:
    """What one value becomes when it is checked alone; its reason if it is bad."""
    try:
        values = parquet.python_values(array.slice(row, 1))
        return described.check(Table({"c": values}, 1)).columns["c"][0]
    except SignatureMismatch as error:
        return error
    except pa.ArrowInvalid as error:
        return error


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, float | np.floating) and expected != expected:
        return bool(found != found)
    if isinstance(expected, np.datetime64) and np.isnat(expected):
        return bool(np.isnat(found))
    if isinstance(expected, np.ndarray):
        return bool((found == expected).all())
    return (
        bool(found == expected) and np.signbit(found or 0) == np.signbit(expected or 0)
        if isinstance(expected, float)
        else bool(found == expected)
    )


@pytest.mark.parametrize("name", COLUMNS)
def test_each_cell_becomes_what_the_check_makes_of_it_or_is_left_to_the_check(name: str) -> None:
    for kind, optional, offset in product(KINDS, ("", "?"), (0, 1)):
        array = COLUMNS[name].slice(min(offset, len(COLUMNS[name])))
        described = signature(c=kind + optional)
        columns, doubtful = read_columns(pa.record_batch({"c": array}), {"c": "c"}, described)
        values = columns["c"]
        assert len(values) == len(array)
        for row in np.flatnonzero(~doubtful):
            expected = check_row(described, array, int(row))
            assert not isinstance(expected, Exception), f"{kind}{optional}, row {row} is bad: {expected}"
            assert same(values[row], expected), f"{kind}{optional}, row {row}"


def test_what_plainly_fits_is_not_left_to_the_check() -> None:
    fitting = {
        "int64 without nulls": ("double", 3),
        "whole doubles": ("long?", 1),
        "double": ("double?", 1),
        "boolean": ("boolean?", 0),
        "dictionary": ("string?", 0),
        "large_string": ("string", 1),
        "decimal": ("double?", 3),
        "prices": ("double?", 0),
        "zone": ("datetime?", 0),
        "seconds": ("datetime?", 2),
        "date": ("datetime", 1),
        "all null": ("string?", 0),
        "int8": ("integer", 1),
    }
    for name, (kind, expected) in fitting.items():
        _, doubtful = read_columns(pa.record_batch({"c": COLUMNS[name]}), {"c": "c"}, signature(c=kind))
        assert doubtful.sum() == expected, name


def test_a_missing_optional_column_is_null_and_texts_are_words() -> None:
    columns, doubtful = read_columns(
        pa.record_batch({"t": pa.array(WORDS)}), {"t": "t"}, signature(t="string?", x="double?")
    )
    assert isinstance(columns["t"], Words)
    assert list(columns["t"]) == WORDS
    assert np.isnan(columns["x"]).all()
    assert not doubtful.any()


def test_lists_of_one_length_are_a_tensor() -> None:
    described = signature_of([tensor("float64", -1, 2, name="c")])
    columns, doubtful = read_columns(pa.record_batch({"c": COLUMNS["lists"]}), {"c": "c"}, described)
    assert columns["c"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert not doubtful.any()
    _, doubtful = read_columns(pa.record_batch({"c": COLUMNS["ragged"]}), {"c": "c"}, described)
    assert doubtful.all()
