from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelserve.core.errors import TooLarge
from modelserve.payloads import Limits, parquet
from modelserve.schema.signature import infer
from signatures import LIMITS, bad_cells, signature, signature_of


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
