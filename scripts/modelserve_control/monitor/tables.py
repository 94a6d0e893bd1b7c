"""Reads Parquet, CSV, JSON and tables of BigQuery into columns: one, many, a directory, or what a pattern matches."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from numpy.typing import NDArray

from modelserve.core.errors import BadSetting, MalformedRequest, NotFound
from modelserve_control.batch.files import patterns, table_files
from modelserve_control.batch.files.json_lines import read_array
from modelserve_control.common.options import CSV, JSON, JSON_LINES, PARQUET
from modelserve_control.common.progress import Progress

Columns = dict[str, Any]
"""By name one array, or one list of Python values, of as many items as rows."""

ZONE: Final = re.compile(r"(Z|\+00:00| UTC)$")
READERS: Final = {
    PARQUET: lambda path: pq.ParquetFile(path).read(),
    CSV: lambda path: pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(strings_can_be_null=True)),
    JSON: lambda path: read_objects(read_array(path), newlines_in_values=True),
    JSON_LINES: lambda path: read_objects(path.read_bytes().removeprefix(BOM_UTF8).splitlines()),
}


def read_columns(addresses: Sequence[str], progress: Progress) -> tuple[Columns, int]:
    """The columns of all files together, and the number of rows. A column that a file lacks is null in its rows."""
    parts = [part for address in addresses for part in read_parts(address, progress)]
    table = pa.concat_tables(parts, promote_options="permissive")
    return {name: column_values(table.column(name)) for name in table.column_names}, table.num_rows


def read_parts(address: str, progress: Progress) -> Iterator[pa.Table]:
    for one in expand(address):
        table_files.check_source(one)
        if table_files.is_table(one):
            yield table_files.bigquery_tables().read_table(one)
            continue
        with table_files.fetch(one, progress) as path:
            try:
                yield decode_dictionaries(READERS[path.suffix.lower()](path))
            except (pa.ArrowException, OSError) as error:
                raise MalformedRequest(f"{one} cannot be read: {str(error).splitlines()[0].rstrip('.')}.") from error


def read_objects(records: Sequence[bytes], **options: bool) -> pa.Table:
    """Raises ArrowInvalid. pyarrow 25 ends the process by a segmentation fault for a null before objects."""
    for place, record in enumerate(records):
        if not record.lstrip().startswith(b"{") and record.strip():
            raise pa.ArrowInvalid(f"record {place} is not an object")
    table = pa.json.read_json(pa.BufferReader(b"\n".join(records)), parse_options=pa.json.ParseOptions(**options))
    table.validate(full=True)  # or texts may be no UTF-8
    return table


def check_exists(address: str) -> None:
    """Of a local file or directory. Raises NotFound."""
    if not patterns.is_pattern(address) and "://" not in address and not Path(address).exists():
        raise NotFound(f"There is no file or directory {address}.")


def expand(address: str) -> list[str]:
    check_exists(address)
    return [one.address for one in patterns.find_sources(address)] if patterns.is_pattern(address) else [address]


def decode_dictionaries(table: pa.Table) -> pa.Table:
    """Of pandas' Categorical type: its dictionaries differ between files."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table.column(place).cast(field.type.value_type)
            table = table.set_column(place, field.name, column)
    return table


def read_times(columns: Columns, name: str) -> NDArray[np.datetime64]:
    """Raises BadSetting: numbers are no times, because nothing says in which unit and since when."""
    if name not in columns:
        raise BadSetting(f"There is no column {name} to cut windows by; there are {', '.join(columns)}.")
    values = columns[name]
    if isinstance(values, np.ndarray) and values.dtype.kind != "M":
        raise BadSetting(
            f"The column {name} holds numbers, not times: write it as a timestamp, or as text in ISO 8601."
        )
    try:
        return as_times(values)
    except ValueError as error:
        raise BadSetting(f"The column {name} is not a time.") from error


def as_times(values: Any) -> NDArray[np.datetime64]:
    """Of times, or of texts in ISO 8601 in UTC, which BigQuery ends with ` UTC`. Raises ValueError."""
    if not isinstance(values, np.ndarray):
        values = [None if value is None else ZONE.sub("", str(value)) for value in values]
    return np.array(values, dtype="datetime64[us]")


def column_values(column: pa.ChunkedArray) -> Any:
    """Whole numbers with a null stay whole: as doubles they would be other ids, and beyond 2^53 other numbers."""
    kind = column.type
    whole = pa.types.is_integer(kind) and not column.null_count
    if whole or pa.types.is_floating(kind) or pa.types.is_temporal(kind):
        return column.to_numpy()
    return column.to_pylist()
