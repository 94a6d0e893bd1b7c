"""What of Arrow has an exact form in BigQuery."""

from __future__ import annotations

import pyarrow as pa
import pytest

from modelserve.core.errors import BadSetting
from modelserve_control.batch.files.bigquery_types import SQL_TYPE, as_loadable, table_schema


def kind_of(kind: pa.DataType) -> tuple[str, str]:
    (field,) = table_schema([as_loadable(pa.field("x", kind))])
    return field.field_type, field.mode


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.bool_(), "BOOL"),
        (pa.int8(), "INT64"),
        (pa.uint32(), "INT64"),
        (pa.float16(), "FLOAT64"),
        (pa.float32(), "FLOAT64"),
        (pa.string(), "STRING"),
        (pa.binary(), "BYTES"),
        (pa.date64(), "DATE"),
        (pa.time32("s"), "TIME"),
        (pa.timestamp("ns"), "DATETIME"),
        (pa.timestamp("ms", "UTC"), "TIMESTAMP"),
        (pa.decimal128(38, 9), "NUMERIC"),
        (pa.decimal128(38, 10), "BIGNUMERIC"),
        (pa.decimal128(38, 8), "BIGNUMERIC"),
        (pa.decimal256(76, 38), "BIGNUMERIC"),
    ],
    ids=str,
)
def test_a_type_has_its_name(kind: pa.DataType, name: str) -> None:
    assert kind_of(kind) == (name, "NULLABLE")
    assert kind_of(pa.list_(kind)) == (name, "REPEATED")


def test_a_struct_has_fields() -> None:
    kind = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.struct([("c", pa.string())])))])
    (field,) = table_schema([pa.field("x", kind)])
    assert [(one.name, one.field_type, one.mode) for one in field.fields] == [
        ("a", "INT64", "NULLABLE"),
        ("b", "STRUCT", "REPEATED"),
    ]
    assert field.fields[1].fields[0].field_type == "STRING"


@pytest.mark.parametrize(
    "kind",
    [
        pa.uint64(),
        pa.null(),
        pa.duration("us"),
        pa.month_day_nano_interval(),
        pa.decimal256(76, 0),
        pa.decimal256(76, 39),
        pa.list_(pa.list_(pa.int64())),
        pa.map_(pa.string(), pa.int64()),
        pa.struct([("bad", pa.uint64())]),
    ],
    ids=str,
)
def test_what_has_no_exact_form_is_refused_by_name(kind: pa.DataType) -> None:
    with pytest.raises(BadSetting, match=r"The column x(\.bad)? has the type"):
        kind_of(kind)


def test_json_is_not_written_as_the_text_that_it_is_in_arrow() -> None:
    field = pa.field("x", pa.string(), metadata={SQL_TYPE: "google:sqlType:json"})
    with pytest.raises(BadSetting, match="JSON"):
        table_schema([field])


@pytest.mark.parametrize("name", ["a.b", "a/b", "", "_PARTITIONTIME", "x" * 301])
def test_a_name_that_bigquery_does_not_allow_is_refused(name: str) -> None:
    with pytest.raises(BadSetting, match="BigQuery does not allow the column name"):
        table_schema([pa.field(name, pa.int64())])


def test_names_that_differ_in_case_only_are_refused() -> None:
    with pytest.raises(BadSetting, match="BigQuery ignores case"):
        table_schema([pa.field("probability_yes", pa.int64()), pa.field("probability_Yes", pa.int64())])
    table_schema([pa.field("probability_month-to-month", pa.int64()), pa.field("probabilité", pa.int64())])


def test_what_lists_and_structs_hold_is_loadable_too() -> None:
    times = pa.struct([pa.field("at", pa.timestamp("ns", "UTC")), pa.field("day", pa.date64())])
    found = as_loadable(pa.field("x", pa.large_list(pa.field("item", times)))).type
    expected = pa.struct([("at", pa.timestamp("us", "UTC")), ("day", pa.date32())])
    assert found == pa.list_(pa.field("item", expected))
    value = [[{"at": 1_000, "day": 86_400_000}]]
    assert (
        pa.array(value, pa.large_list(times)).cast(found).to_pylist()
        == pa.array(value, pa.large_list(times)).to_pylist()
    )


@pytest.mark.parametrize(("kind", "name"), [(pa.large_string(), "STRING"), (pa.large_binary(), "BYTES")], ids=str)
def test_long_texts_and_bytes_of_other_tools_are_texts_and_bytes(kind: pa.DataType, name: str) -> None:
    assert kind_of(kind) == (name, "NULLABLE")
    assert kind_of(pa.list_(kind)) == (name, "REPEATED")
