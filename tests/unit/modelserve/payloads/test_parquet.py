from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelserve.core.errors import MalformedRequest, TooLarge
from modelserve.payloads import Limits, parquet
from modelserve.schema.signature import Signature, infer
from modelserve.schema.texts import Words
from security.hostile_parquet import decimals_of_no_fixed_length, footer_of
from signatures import LIMITS, bad_cells, nameless, signature, signature_of, tensor


def write_parquet(columns: dict[str, Any], **options: Any) -> bytes:
    file = BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


NOON = datetime(2024, 1, 2, 12)
INSTANT = np.datetime64("2024-01-02T12", "ns")

VALUES: list[tuple[Any, list[Any]]] = [
    (pa.array([1, None], pa.int8()), [1, None]),
    (pa.array([2**63], pa.uint64()), [2**63]),
    (pa.array([0.5, None, float("nan")]), [0.5, None, None]),
    (pa.array([0.5], pa.float32()), [0.5]),
    (pa.array([True, None]), [True, None]),
    (pa.array(["a", None]), ["a", None]),
    (pa.array([b"a"]), [b"a"]),
    (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
    (pa.array([NOON, None], pa.timestamp("ns")), [INSTANT, None]),
    (pa.array([NOON], pa.timestamp("us", "Europe/Berlin")), [INSTANT]),
    (pa.array([NOON], pa.timestamp("s")).dictionary_encode(), [INSTANT]),
    (pa.array([date(2024, 1, 2)]), [np.datetime64("2024-01-02", "ns")]),
    (pa.array([[1, 2], None]), [[1, 2], None]),
    (pa.array([{"k": 1}]), [{"k": 1}]),
    (pa.array([Decimal("1.10")]), [Decimal("1.10")]),
    (pa.array([b"0123456789abcdef", None], pa.uuid()), [b"0123456789abcdef", None]),
    (pa.array([], pa.int64()), []),
]


@pytest.mark.parametrize(("array", "values"), VALUES, ids=[str(array.type) for array, _ in VALUES])
def test_each_type_becomes_values_that_the_check_knows(array: Any, values: list[Any]) -> None:
    assert parquet.parse(write_parquet({"c": array}), None, LIMITS).table.columns == {"c": values}


def test_int64_fits_an_integer_column_when_its_values_do() -> None:
    small = signature(c="integer")
    assert small.check(parquet.parse(write_parquet({"c": [1, 2]}), small, LIMITS).table).columns["c"].dtype == "int32"
    table = parquet.parse(write_parquet({"c": [2**31]}), small, LIMITS).table
    assert bad_cells(lambda: small.check(table)) == [(0, "c", "out of range for integer")]


CELLS: list[tuple[Any, str, Any]] = [
    (pa.array([Decimal("1.25"), Decimal("19.99")], pa.decimal128(38, 9)), "double", [1.25, 19.99]),
    (pa.array([Decimal("0.1"), None], pa.decimal256(76, 38)), "double", [0.1, None]),
    (pa.array([Decimal("1.5"), Decimal("2.75")]), "float", [1.5, 2.75]),
    (pa.array([Decimal("3"), Decimal("-4")], pa.decimal128(38, 9)), "long", [3, -4]),
    (pa.array([Decimal("1.5"), None]).dictionary_encode(), "double", [1.5, None]),
    (pa.array([1.5, 2.5], pa.float16()), "float", [1.5, 2.5]),
    (pa.array([3, None]).dictionary_encode(), "double", [3, None]),
    (pa.array(["a", None], pa.large_string()), "string", ["a", None]),
    (pa.array(["a", "b"], pa.string_view()), "string", ["a", "b"]),
    (pa.array(["a", "b"], pa.large_string()).dictionary_encode(), "string", ["a", "b"]),
    (pa.chunked_array([pa.array(["a", "b"]).dictionary_encode()] * 3), "string", ["a", "b"] * 3),
    (pa.array([b"a"], pa.large_binary()), "binary", [b"a"]),
    (pa.array([date(2024, 1, 2)], pa.date64()), "datetime", [np.datetime64("2024-01-02", "ns").item()]),
]


@pytest.mark.parametrize(("cells", "kind", "values"), CELLS, ids=[f"{cells.type}" for cells, *_ in CELLS])
def test_a_value_that_fits_the_column_is_taken_however_it_is_stored(cells: Any, kind: str, values: list[Any]) -> None:
    known = signature_of([{"name": "c", "type": kind, "required": False}])
    array = known.check(parquet.parse(write_parquet({"c": cells}), known, LIMITS).table).columns["c"]
    assert [None if value != value else value for value in array.tolist()] == values


NAMED: list[tuple[Any, str, str]] = [
    (pa.array([Decimal("12345678901234567890.5")]), "double", "a decimal with more digits than double keeps"),
    (pa.array([Decimal("0.123456789")]), "float", "a decimal with more digits than float keeps"),
    (pa.array([Decimal(10**60) / 3], pa.decimal256(76, 1)), "float", "out of range for float"),
    (pa.array([Decimal("1.5")]), "long", "a decimal, needs long"),
    (pa.array([Decimal(2**63)]), "long", "out of range for long"),
    (pa.array([Decimal(2**53 + 1)]), "double", "a whole number that double cannot keep exactly"),
    (pa.array([Decimal("1.5")]), "string", "a decimal, needs string"),
    (pa.array([date(2024, 1, 2)]), "string", "a datetime, needs string"),
    (pa.array([time(1, 2)]), "double", "a time of day, needs double"),
    (pa.array([time(1, 2)], pa.time32("ms")), "string", "a time of day, needs string"),
    (pa.array([timedelta(1)]), "long", "a duration, needs long"),
    (pa.array([b"a"]), "string", "bytes, needs string"),
]


@pytest.mark.parametrize(("cells", "kind", "reason"), NAMED, ids=[f"{cells.type}-{kind}" for cells, kind, _ in NAMED])
def test_a_value_that_does_not_fit_is_refused_by_name(cells: Any, kind: str, reason: str) -> None:
    known = signature(c=kind)
    table = parquet.parse(write_parquet({"c": cells}), known, LIMITS).table
    assert bad_cells(lambda: known.check(table)) == [(0, "c", reason)]


def test_decimals_without_a_signature_are_numbers() -> None:
    table = parquet.parse(write_parquet({"c": pa.array([Decimal("1.25"), None])}), None, LIMITS).table
    assert infer(table).columns["c"].tolist()[0] == 1.25


@pytest.mark.parametrize("instant", [NOON, NOON.replace(tzinfo=UTC), date(2024, 1, 2)])
def test_instants_in_a_list_are_taken(instant: Any) -> None:
    known = signature_of([{"name": "c", "type": "array", "items": {"type": "datetime"}}])
    table = parquet.parse(write_parquet({"c": pa.array([[instant]])}), known, LIMITS).table
    assert known.check(table).columns["c"].tolist() == [[datetime(*instant.timetuple()[:4])]]


def test_decimals_count_with_what_python_holds_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 100_000)
    data = write_parquet({"c": pa.array([Decimal("1.25")] * 1_000)})
    with pytest.raises(TooLarge, match="unpacked Parquet file has more than"):
        parquet.parse(data, None, Limits(10_000, 50, 32))


def test_datetimes_keep_their_type_without_a_signature() -> None:
    table = parquet.parse(write_parquet({"c": pa.array([NOON], pa.timestamp("us"))}), None, LIMITS).table
    assert infer(table).columns["c"].dtype == "datetime64[ns]"


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
