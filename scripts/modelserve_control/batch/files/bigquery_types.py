"""The BigQuery type of each Arrow type whose values it holds exactly, from Google's "Loading Parquet data"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
from google.cloud.bigquery import SchemaField

from modelserve.core.errors import BadSetting

# Metadata of a column that was read from BigQuery, for types that Arrow lacks: it holds them as text or as a struct.
SQL_TYPE: Final = b"ARROW:extension:name"
NOT_LOADED: Final = {
    f"google:sqlType:{name.lower()}".encode(): name for name in ("JSON", "GEOGRAPHY", "RANGE", "INTERVAL")
}
NAME: Final = re.compile(r"[^!\"$()*,./;?@\[\\\]^`{}~]{1,300}")
RESERVED: Final = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier")
PLAIN: Final[Sequence[tuple[Callable[[pa.DataType], bool], str]]] = (
    (pa.types.is_boolean, "BOOL"),
    (lambda kind: pa.types.is_integer(kind) and kind != pa.uint64(), "INT64"),
    (pa.types.is_floating, "FLOAT64"),
    (pa.types.is_string, "STRING"),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind), "BYTES"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is None, "DATETIME"),
    (pa.types.is_timestamp, "TIMESTAMP"),
)


def as_loadable(field: pa.Field) -> pa.Field:
    """With types of Parquet that BigQuery loads, nested ones too: times have microseconds."""
    kind = field.type
    if is_list(kind):
        kind = pa.list_(as_loadable(kind.value_field))
    elif pa.types.is_struct(kind):
        kind = pa.struct([as_loadable(one) for one in kind.fields])
    elif pa.types.is_timestamp(kind):
        kind = pa.timestamp("us", kind.tz)
    elif pa.types.is_time(kind):
        kind = pa.time64("us")
    elif pa.types.is_float16(kind):
        kind = pa.float32()
    elif pa.types.is_date(kind):
        kind = pa.date32()
    elif pa.types.is_large_string(kind):
        kind = pa.string()
    elif pa.types.is_large_binary(kind):
        kind = pa.binary()
    return field.with_type(kind)


def is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def table_schema(fields: Sequence[pa.Field]) -> list[SchemaField]:
    """Raises BadSetting."""
    check_names([field.name for field in fields])
    return [schema_field(field.name, field) for field in fields]


def check_names(names: Sequence[str]) -> None:
    """BigQuery ignores the case of names."""
    for place, name in enumerate(names):
        if not NAME.fullmatch(name) or name.lower().startswith(RESERVED):
            raise BadSetting(f"BigQuery does not allow the column name {name}.")
        if name.lower() in (other.lower() for other in names[:place]):
            raise BadSetting(f"BigQuery ignores case, so the column {name} has the same name as another one.")


def schema_field(path: str, field: pa.Field) -> SchemaField:
    kind = field.type
    sql_type = NOT_LOADED.get((field.metadata or {}).get(SQL_TYPE, b""))
    if sql_type:
        raise refusal(path, f"{sql_type}, which BigQuery does not load from Parquet")
    if is_list(kind):
        item = schema_field(path, kind.value_field)
        if item.mode == "REPEATED":
            raise refusal(path, "an array of arrays, which BigQuery does not support")
        return SchemaField(field.name, item.field_type, mode="REPEATED", fields=item.fields)
    if pa.types.is_struct(kind):
        members = kind.fields
        check_names([one.name for one in members])
        return SchemaField(field.name, "STRUCT", fields=[schema_field(f"{path}.{one.name}", one) for one in members])
    return SchemaField(field.name, scalar_type(path, kind))


def scalar_type(path: str, kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        whole = kind.precision - kind.scale
        if 0 <= kind.scale <= 9 and whole <= 29:
            return "NUMERIC"
        if 0 <= kind.scale <= 38 and whole <= 38:
            return "BIGNUMERIC"
    found = next((name for fits, name in PLAIN if fits(kind)), None)
    if found is None:
        raise refusal(path, f"{kind}, which BigQuery cannot hold exactly")
    return found


def refusal(path: str, what: Any) -> BadSetting:
    return BadSetting(f"The column {path} has the type {what}: name those to carry over with --keep.")
