from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve.schema.types import MISSING, SCALARS
from signatures import bad_cells, signature, table

FITS: list[tuple[str, list[Any], list[Any]]] = [
    ("integer", [2**31 - 1, -(2**31)], [2**31 - 1, -(2**31)]),
    ("long", [2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
    ("long", [1.0, -3.0, 2.0**53 - 1], [1, -3, 2**53 - 1]),
    ("double", [1, 0.1, -7], [1.0, 0.1, -7.0]),
    ("double", [2**53, 10**22], [float(2**53), 1e22]),
    ("float", [2**24, 0.5], [float(2**24), 0.5]),
    ("float", [3.4028234663852886e38], [3.4028234663852886e38]),
    ("boolean", [True, False], [True, False]),
    ("string", ["", "1", "é\U0001f600"], ["", "1", "é\U0001f600"]),
    ("binary", ["AAE=", b"x", ""], [b"\x00\x01", b"x", b""]),
    ("binary", ["AAE=\n"], [b"\x00\x01"]),
]

INSTANTS = [
    ("2024-02-29", "2024-02-29T00:00"),
    ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05"),
    ("2024-01-02 03:04", "2024-01-02T03:04"),
    ("2024-01-02T03:04:05z", "2024-01-02T03:04:05"),
    ("2024-01-02T03:04:05+05:30", "2024-01-01T21:34:05"),
    ("2024-01-02T23:59:00+23:59", "2024-01-02T00:00"),
    ("2024-01-02T03:04:05-0800", "2024-01-02T11:04:05"),
    ("2024-01-02T03:04:05.123456789", "2024-01-02T03:04:05.123456789"),
    ("1678-01-01", "1678-01-01"),
    ("2261-12-31T23:59:59.999999999Z", "2261-12-31T23:59:59.999999999"),
]

REFUSED: list[tuple[str, Any, str]] = [
    ("integer", 2**31, "out of range for integer"),
    ("integer", -(2**31) - 1, "out of range for integer"),
    ("long", 2**63, "out of range for long"),
    ("long", 10**4000, "out of range for long"),
    ("long", 1.7, "has a fraction, needs long"),
    ("long", float("nan"), "NaN is not a finite number"),
    ("long", float("inf"), "Infinity is not a finite number"),
    ("long", 9007199254740993.0, "a decimal number too large to be exact, needs long"),
    ("long", 1e300, "a decimal number too large to be exact, needs long"),
    ("long", True, "a boolean, needs long"),
    ("long", "7", "a string, needs long"),
    ("long", [7], "a list, needs long"),
    ("double", 9007199254740993, "a whole number that double cannot keep exactly"),
    ("double", 10**4000, "out of range for double"),
    ("double", float("nan"), "NaN is not a finite number"),
    ("double", float("-inf"), "Infinity is not a finite number"),
    ("double", True, "a boolean, needs double"),
    ("double", "NaN", "a string, needs double"),
    ("float", 2**24 + 1, "a whole number that float cannot keep exactly"),
    ("float", 1e39, "out of range for float"),
    ("float", -(10**39), "out of range for float"),
    ("boolean", "false", "a string, needs boolean"),
    ("boolean", 0, "an integer, needs boolean"),
    ("boolean", 1.0, "a number, needs boolean"),
    ("string", 5, "an integer, needs string"),
    ("string", {"a": 1}, "an object, needs string"),
    ("string", b"x", "bytes, needs string"),
    ("string", object(), "another type, needs string"),
    ("binary", "not base64!", "not base64"),
    ("binary", "AA!E=", "not base64"),
    ("binary", "é", "not base64"),
    ("binary", 1, "an integer, needs binary as base64"),
    ("datetime", 0, "an integer, needs a datetime in ISO 8601"),
    ("datetime", "yesterday", "not a datetime in ISO 8601 with at most nine decimals"),
    ("datetime", "2024-01-02T03:04:05.1234567890", "not a datetime in ISO 8601 with at most nine decimals"),
    ("datetime", "2024-02-30", "no such day or time"),
    ("datetime", "2024-01-02T25:00", "no such day or time"),
    ("datetime", "2024-01-02T00:00+99:99", "no such day or time"),
    ("datetime", "2024-01-02T00:00+24:00", "no such day or time"),
    ("datetime", "2024-01-02T00:00-0060", "no such day or time"),
    ("datetime", "1677-12-31", "out of range for datetime, which reaches from 1678 to 2261"),
    ("datetime", "9999-12-31", "out of range for datetime, which reaches from 1678 to 2261"),
    *((kind, None, "null in a required column") for kind in SCALARS),
]


@pytest.mark.parametrize(("kind", "values", "expected"), FITS)
def test_a_value_that_fits_is_kept_exactly(kind: str, values: list[Any], expected: list[Any]) -> None:
    column = signature(c=kind).check(table(c=values)).columns["c"]
    assert column.dtype == SCALARS[kind].dtype
    assert column.tolist() == [np.float32(item).item() for item in expected] if kind == "float" else expected


@pytest.mark.parametrize(("given", "expected"), INSTANTS)
def test_a_datetime_is_an_instant_in_utc(given: str, expected: str) -> None:
    column = signature(c="datetime").check(table(c=[given])).columns["c"]
    assert column.tolist() == [np.datetime64(expected, "ns").astype(int)]
    assert column.dtype == "datetime64[ns]"


@pytest.mark.parametrize(("kind", "value", "reason"), REFUSED)
def test_a_value_that_would_change_is_refused_with_its_reason(kind: str, value: Any, reason: str) -> None:
    assert bad_cells(lambda: signature(c=kind).check(table(c=[value]))) == [(0, "c", reason)]


@pytest.mark.parametrize(
    ("kind", "value", "dtype", "null"),
    [
        ("integer", 3, "float64", "nan"),
        ("long", 3, "float64", "nan"),
        ("float", 0.5, "float32", "nan"),
        ("double", 0.5, "float64", "nan"),
        ("boolean", True, "object", "None"),
        ("string", "a", "object", "None"),
        ("binary", b"a", "object", "None"),
        ("datetime", "2024-01-01", "datetime64[ns]", "NaT"),
    ],
)
def test_an_optional_column_takes_null(kind: str, value: Any, dtype: str, null: str) -> None:
    optional = signature(c=f"{kind}?", x="long")
    column = optional.check(table(c=[value, None, MISSING], x=[1, 2, 3])).columns["c"]
    assert column.dtype == dtype
    assert [str(item) for item in column[1:]] == [null, null]
    absent = optional.check(table(x=[1, 2])).columns["c"]
    assert absent.dtype == dtype
    assert [str(item) for item in absent] == [null, null]


def test_a_long_beside_a_null_must_fit_a_double() -> None:
    optional = signature(c="long?")
    assert bad_cells(lambda: optional.check(table(c=[2**53 + 1, None]))) == [
        (0, "c", "a whole number above 2**53 beside a null cannot be kept exactly")
    ]
    assert optional.check(table(c=[2**53 + 1])).columns["c"].tolist() == [2**53 + 1]


@pytest.mark.parametrize("kind", SCALARS)
def test_no_rows_give_an_empty_column_of_the_right_dtype(kind: str) -> None:
    column = signature(c=kind).check(table(c=[])).columns["c"]
    assert column.shape == (0,)
    assert column.dtype == SCALARS[kind].dtype


TEXTS: list[tuple[str, str, Any]] = [
    ("long", "42", 42),
    ("long", "+42.00", 42),
    ("long", "9223372036854775807", 2**63 - 1),
    ("long", "1.5", "1.5"),
    ("long", "", None),
    ("double", "9007199254740993", 2**53 + 1),
    ("double", "9007199254740993.0", 2**53 + 1),
    ("double", "1" + "0" * 26, 10**26),
    ("double", "1e3", 1000.0),
    ("double", "1_000", "1_000"),
    ("double", "NaN", None),
    ("double", "null", None),
    ("double", "", None),
    ("double", "many", "many"),
    ("boolean", "True", True),
    ("boolean", "false", False),
    ("boolean", "1", "1"),
    ("boolean", "", None),
    ("string", "", None),
    ("string", "null", "null"),
    ("datetime", "2024-01-01", "2024-01-01"),
    ("binary", "AAE=", "AAE="),
]


@pytest.mark.parametrize(("kind", "text", "value"), TEXTS)
def test_a_text_is_read_as_its_columns_type(kind: str, text: str, value: Any) -> None:
    read = SCALARS[kind].text(text)
    assert read == value
    assert type(read) is type(value)


def test_missing_says_so() -> None:
    assert repr(MISSING) == "MISSING"
