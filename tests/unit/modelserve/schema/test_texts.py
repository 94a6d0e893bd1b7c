"""A column read whole is what its texts come to one by one, bad cells included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelserve.core.errors import SignatureMismatch
from modelserve.schema.batch import Batch, Table
from modelserve.schema.extra_columns import NO_EXTRA_COLUMNS
from modelserve.schema.signature import Signature
from modelserve.schema.texts import read_column
from modelserve.schema.types import SCALARS
from signatures import signature

WORDS = [
    "", " ", "0", "-0", "-0.0", "-0e0", "+0", "00", "1", "-1", "+1", " 1", "1 ", "1.0", "1.", "1.5", "-1.5", ".5", "1e3", "1E-3", "--1", "1-",
    "-", "+", "1_0", "1_0.5", "0x1", "nan", "NaN", "-nan", "inf", "-Infinity", "1e400", "-1e-400", "null", "NULL", "true", "False", "TRUE", "x",
    "\u0661", "\u0661.5", "\u00b2", "16777215", "16777216", "16777217", "16777216.5", "2147483647", "2147483648", "-2147483648", "-2147483649",
    "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993", "9007199254740993.0", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "1" * 350, "1" * 401, "9" * 5000, "3.5e38", "2024-01-02", "AAE=", "é\n",
]  # fmt: skip
NUMBERS = st.integers().map(str) | st.floats().map(repr)
COLUMNS = st.sampled_from(
    [st.sampled_from(WORDS) | NUMBERS, st.sampled_from(["1", "-2", "3.5", "0", "", "x"])]
).flatmap(lambda texts: st.lists(texts, max_size=6))


def outcome(known: Signature, table: Table) -> Any:
    try:
        batch = known.check(table)
    except SignatureMismatch as error:
        return error.message, error.details
    check_cells(batch)
    column = batch.columns["c"]
    return column.dtype, column.tolist() if column.dtype == object else column.tobytes()


def check_cells(batch: Batch) -> None:
    """The values that a compiled model takes are those of the arrays."""
    if batch.cells is None:
        return
    cells, column = list(batch.cells["c"]), batch.columns["c"]
    if column.dtype == object:
        assert cells == column.tolist()
    else:
        numbers = [np.array(values, np.float64) for values in (cells, column.tolist())]
        assert numbers[0].tobytes() == numbers[1].tobytes()


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("name", SCALARS)
@given(texts=COLUMNS)
@example(texts=["1", "2"])
@example(texts=["1", "nan"])
@example(texts=["1", ""])
@example(texts=["-0.0", "1"])
@example(texts=["2147483648", "1"])
@example(texts=["-9007199254740993"])
@example(texts=["1", "1_0"])
@example(texts=["1,2", "3"])
@example(texts=["1.5", "-0"])
def test_a_column_read_whole_is_what_its_texts_come_to(name: str, required: bool, texts: list[str]) -> None:
    known = signature(c=name if required else f"{name}?")
    one_by_one = Table({"c": [SCALARS[name].text(text) for text in texts]}, len(texts))
    assert outcome(known, known.parse_text({"c": texts}, len(texts), NO_EXTRA_COLUMNS)) == outcome(known, one_by_one)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("string", ["a", "b"]),
        ("long", ["1", "-2"]),
        ("integer", ["1"]),
        ("double", ["1", "-2.5", "1e3", "0"]),
        ("float", ["1", "0.1"]),
        ("boolean", ["true", "False"]),
    ],
)
def test_plain_columns_are_read_whole(name: str, texts: list[str]) -> None:
    assert read_column(texts, SCALARS[name], required=True) is not None
    nulls = read_column([*texts, ""], SCALARS[name], required=False)
    assert nulls is not None
    assert nulls[-1] is None


def test_a_table_fits_when_all_its_columns_do() -> None:
    known = signature(x="long", s="string?")
    assert known.parse_text({"x": ["1"], "s": [""]}, 1, NO_EXTRA_COLUMNS).fits is False
    assert known.parse_text({"x": ["1"]}, 1, NO_EXTRA_COLUMNS).fits is False
    assert known.parse_text({"x": ["1", "2"], "s": ["", "a"]}, 2, NO_EXTRA_COLUMNS) == Table(
        {"x": [1, 2], "s": [None, "a"]}, 2, fits=True
    )
