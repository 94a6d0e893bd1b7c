from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelserve.core.errors import MalformedRequest, TooLarge
from modelserve.payloads import Limits, parquet
from modelserve.schema.signature import Signature
from modelserve.schema.texts import Words
from security.hostile_parquet import decimals_of_no_fixed_length, footer_of
from signatures import LIMITS, nameless, signature, signature_of, tensor


def write_parquet(columns: dict[str, Any], **options: Any) -> bytes:
    file = BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


NOON = datetime(2024, 1, 2, 12)
INSTANT = np.datetime64("2024-01-02T12", "ns")


def test_the_index_of_pandas_is_no_column_and_others_are_counted() -> None:
    data = write_parquet({"__index_level_0__": [9], "a": [1], "m": [0]})
    table = parquet.parse(data, signature(a="long"), LIMITS).table
    assert (table.columns, table.rows, len(table.others)) == ({"a": [1]}, 1, 1)
    assert parquet.parse(data, nameless("long"), LIMITS).table.columns == {"0": [1]}


TWICE = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])


def twice() -> bytes:
    file = BytesIO()
    pq.write_table(TWICE, file)
    return file.getvalue()


WHOLE = write_parquet({"c": list(range(100))}, compression="NONE", use_dictionary=False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1",
        b"secret,1\n" * 9,
        WHOLE[:-20],
        WHOLE[: len(WHOLE) // 2] + WHOLE[-8:],
        WHOLE[:4] + b"\xff" * 40 + WHOLE[44:],
        twice(),
        write_parquet({"c": pa.array([datetime(9999, 1, 1)], pa.timestamp("us"))}),
        write_parquet({"c": pa.array([[2**62]], pa.list_(pa.timestamp("us")))}),
        write_parquet({"c": pa.array([{"d": 2**31 - 1}], pa.struct([("d", pa.date32())]))}),
    ],
    ids=["empty", "magic", "text", "cut", "hollow", "flipped", "twice", "far future", "nested instant", "nested day"],
)
def test_what_cannot_be_read_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedRequest) as raised:
        parquet.parse(data, None, Limits(1000, 50, 32))
    assert "secret" not in raised.value.message


@pytest.mark.parametrize("known", [None, signature(a="long"), nameless("long", "long")])
def test_a_column_that_comes_twice_is_said_to(known: Signature | None) -> None:
    with pytest.raises(MalformedRequest, match="names a column twice"):
        parquet.parse(twice(), known, LIMITS)


def test_rows_columns_and_size_are_limited_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge, match="100 rows"):
        parquet.parse(write_parquet({"c": [0] * 101}), None, LIMITS)
    with pytest.raises(TooLarge, match="50 columns"):
        parquet.parse(write_parquet({str(n): [0] for n in range(51)}), None, LIMITS)
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 100)
    with pytest.raises(TooLarge, match="unpacked Parquet file has more than 100 bytes"):
        parquet.parse(write_parquet({"c": list(range(100))}), None, LIMITS)


LONG = "x" * 20_000  # of which a file holds one, and unpacks a thousand


@pytest.mark.parametrize(
    "column",
    [
        pa.array([LONG] * 1_000),
        pa.array([LONG] * 1_000, pa.large_string()),
        pa.array([LONG.encode()] * 1_000),
        pa.array([[LONG] * 10] * 100),
        pa.array([{"k": LONG}] * 1_000),
        pa.array([[(LONG, LONG)] * 5] * 100, pa.map_(pa.string(), pa.string())),
    ],
    ids=["text", "large text", "binary", "list", "object", "map"],
)
def test_a_text_that_stands_in_every_row_counts_in_every_row(column: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 10_000_000)
    data = write_parquet({"c": column})
    assert len(data) < 100_000
    with pytest.raises(TooLarge, match="unpacked Parquet file has more than"):
        parquet.parse(data, None, Limits(10_000, 50, 32))


def test_numbers_of_great_width_count_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 10_000_000)
    data = write_parquet({"c": pa.array([LONG.encode()] * 1_000, pa.binary(len(LONG)))})
    with pytest.raises(TooLarge, match="unpacked Parquet file has more than"):
        parquet.parse(data, None, Limits(10_000, 50, 32))


def test_decimals_of_no_fixed_length_are_not_taken() -> None:
    data = decimals_of_no_fixed_length("c")
    with pytest.raises(MalformedRequest, match="decimals of no fixed length"):
        parquet.parse(data, None, LIMITS)
    assert parquet.parse(data, signature(a="long"), LIMITS).table.columns == {}


def test_a_file_whose_footer_says_too_much_is_refused_before_a_page_is_unpacked() -> None:
    texts = pa.chunked_array([pa.array(["x" * 200_000] * 100)] * 8)  # 160 MB
    data = write_parquet({"c": texts}, compression="zstd", use_dictionary=False)
    hollow = data[:4] + bytes(len(data) - 4 - len(footer_of(data)) - 8) + data[-len(footer_of(data)) - 8 :]
    with pytest.raises(TooLarge, match="unpacked Parquet file has more than"):
        parquet.parse(hollow, None, Limits(1_000, 50, 32))


def test_cells_are_counted_before_they_are_read() -> None:
    data = write_parquet({"a": [1] * 60, "b": [2] * 60})
    few = Limits(100, 50, 32, cells=119)
    with pytest.raises(TooLarge, match="more than 119 values, the limit that MAX_CELLS sets"):
        parquet.parse(data, None, few)
    assert parquet.parse(data, signature(a="long"), few).table.rows == 60


def test_columns_that_the_signature_does_not_have_are_not_read() -> None:
    days = pa.array([{"d": 2**31 - 1}], pa.struct([("d", pa.date32())]))
    data = write_parquet({"a": [1], "days": days, "far": pa.array([2**62], pa.timestamp("us")), "b.c": ["x"]})
    table = parquet.parse(data, signature(a="long"), LIMITS).table
    assert (table.columns, len(table.others)) == ({"a": [1]}, 3)
    dotted = parquet.parse(data, signature(**{"b.c": "string"}), LIMITS).table.columns
    assert list(dotted["b.c"]) == ["x"]
    none = parquet.parse(data, signature(z="long"), LIMITS).table
    assert (none.columns, none.rows, len(none.others)) == ({}, 1, 4)


def test_a_column_with_dots_in_its_name_is_read_with_what_is_nested_in_it() -> None:
    data = write_parquet({"a.b": [[1, 2]], "a": [0], "c": pa.array([{"d": {"e": 5}, "f": 6}])})
    known = signature_of(
        [
            {"name": "a.b", "type": "array", "items": {"type": "long"}},
            {"name": "c", "type": "map", "values": {"type": "any"}},
        ]
    )
    columns = parquet.parse(data, known, LIMITS).table.columns
    assert columns == {"a.b": [[1, 2]], "c": [{"d": {"e": 5}, "f": 6}]}


@pytest.mark.parametrize("rows", [100, 3_000])
def test_columns_that_plainly_fit_come_without_a_python_value_for_each_cell(rows: int) -> None:
    words = [f"w{n % 3}" for n in range(rows)]
    data = write_parquet({"s": words, "l": list(range(rows)), "d": [0.5] * rows, "b": [True] * rows})
    known = signature(s="string", l="long", d="double", b="boolean")
    table = parquet.parse(data, known, Limits(10_000, 50, 32)).table
    assert table.fits
    assert all(isinstance(column, np.ndarray | Words) for column in table.columns.values())
    batch = known.check(table)
    assert batch.columns["s"].tolist() == words
    assert list(table.columns["s"]) == words
    assert [batch.columns[name].dtype for name in "ldb"] == ["int64", "float64", "bool"]


@pytest.mark.parametrize("column", [[1, None], [2**53], [0.5], ["x"]], ids=["null", "large", "fraction", "text"])
def test_a_column_that_does_not_plainly_fit_is_left_to_the_check(column: list[Any]) -> None:
    table = parquet.parse(write_parquet({"l": column}), signature(l="long?"), LIMITS).table
    assert not table.fits
    assert list(table.columns["l"]) == column


def test_places_beyond_the_dictionary_are_malformed_and_reach_no_server() -> None:
    data = write_parquet(
        {"s": [f"w{n % 3}" for n in range(64)], "l": [[1]] * 64}, compression="NONE", write_statistics=False
    )
    known = signature(s="string")
    refused = set()
    for place in range(4, data.index(b"schema")):
        try:
            table = parquet.parse(data[:place] + b"\xff" + data[place + 1 :], known, LIMITS).table
            assert len(list(table.columns["s"])) == 64
        except MalformedRequest as error:
            refused.add(type(error.__cause__))
    assert pa.ArrowInvalid in refused


def test_a_column_of_many_texts_does_not_go_as_words() -> None:
    table = parquet.parse(write_parquet({"s": [f"w{n}" for n in range(65)]}), signature(s="string"), LIMITS).table
    assert table.fits
    assert isinstance(table.columns["s"], np.ndarray)


def test_more_columns_than_are_opened_at_first_are_read_as_places_in_their_dictionary() -> None:
    data = write_parquet({f"c{n}": ["x", "x"] for n in range(80)})
    known = signature(**{f"c{n}": "string" for n in range(80)})
    table = parquet.parse(data, known, Limits(10, 100, 32)).table
    assert all(isinstance(column, Words) for column in table.columns.values())


def test_many_rows_come_whole_and_in_order() -> None:
    numbers = list(range(5_000))
    data = write_parquet({"n": numbers, "s": [str(n % 7) for n in numbers]}, row_group_size=1_500)
    columns = parquet.parse(data, None, Limits(10_000, 50, 32)).table.columns
    assert columns == {"n": numbers, "s": [str(n % 7) for n in numbers]}


def test_the_columns_of_a_file_are_the_rows_of_a_nameless_tensor() -> None:
    data = write_parquet({"a": [1, 3], "b": [2.5, 4.0]})
    table = parquet.parse(data, signature_of([tensor("float64", -1, 2)]), LIMITS).table
    assert (table.columns, table.rows) == ({"0": [[1, 2.5], [3, 4.0]]}, 2)


def test_a_nameless_model_keeps_the_names_of_the_file() -> None:
    data = write_parquet({"p": [1], "q": ["x"], "__index_level_0__": [7]})
    assert parquet.parse(data, nameless("long", "string"), LIMITS).table.names == ("p", "q")
