"""Parquet in, through pyarrow: only for a process that may end, since a damaged file can end it from within pyarrow."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from modelserve.core.errors import MalformedRequest, ServeError, TooLarge
from modelserve.payloads import Limits, Payload, tables
from modelserve.schema.batch import Table
from modelserve.schema.extra_columns import NONE, Others, beside
from modelserve.schema.signature import Signature
from modelserve.schema.types import Array, Boolean, Kind, Real, String, Whole, objects

# A small file can unpack to gigabytes: this is how far one request may grow, in bytes.
MAX_UNPACKED = 64 << 20
# What a number takes as a Python object with the pointer to it.
CELL_BYTES: Final = 32
BATCH_ROWS: Final = 1_024
# Below these, nobody needs to know exactly how many bytes the texts of a batch have.
FEW_BYTES: Final = 64 << 10


def parse(data: bytes, signature: Signature | None, limits: Limits) -> Payload:
    """Only the signature's columns are read. Raises MalformedRequest for a file that is not Parquet, TooLarge before more rows
    or bytes than the limits are read."""
    try:
        return Payload(read(data, signature, limits))
    except (ServeError, MemoryError):
        raise
    except Exception as error:  # pyarrow raises errors of many kinds for hostile files and for dates beyond Python's
        raise MalformedRequest("The body is not a readable Parquet file.") from error


def read(data: bytes, signature: Signature | None, limits: Limits) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(pa.BufferReader(data))
    rows = metadata.num_rows
    tables.check_rows(rows, limits)
    tables.check_columns(metadata.num_columns, limits)
    # Texts are read as places in their dictionary, so that one long text in every row is held once.
    texts = [leaf.path for leaf in leaves(metadata) if leaf.physical_type == "BYTE_ARRAY"]
    file = pq.ParquetFile(pa.BufferReader(data), metadata=metadata, read_dictionary=texts)
    sources, others = choose(file.schema_arrow.names, signature)
    tables.check_cells(rows * len(sources), limits)
    check_metadata(metadata, set(sources.values()))
    parts: dict[str, list[Any]] = {name: [] for name in sources}
    size = found = 0
    if sources:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(sources.values()), use_threads=False):
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            size += sum(map(unpacked, arrays.values()))
            check_size(size)
            found += batch.num_rows
            for name, source in sources.items():
                parts[name].append(arrays[source])
        if found != rows:
            raise MalformedRequest("The Parquet file has other rows than it says.")
    kinds = {column.name: column.kind for column in signature.columns} if signature else {}
    columns = {name: cells(arrays, kinds.get(name)) for name, arrays in parts.items()}
    return Table(columns, rows, others)


def leaves(metadata: Any) -> list[Any]:
    return [metadata.schema.column(place) for place in range(metadata.num_columns)]


def choose(names: list[str], signature: Signature | None) -> tuple[dict[str, str], Others]:
    """The file's column for each column that is wanted, and the others."""
    names = [name for name in names if not name.startswith("__index_level_")]
    if len(set(names)) != len(names):
        raise MalformedRequest("The Parquet file names a column twice.")
    found = {name: name for name in names}
    if signature is None:
        return found, NONE
    placed = tables.by_position(found, signature)
    sources = {name: placed[name] for name in signature.names if name in placed}
    return sources, beside(placed, sources)


def check_metadata(metadata: Any, wanted: set[str]) -> None:
    """Refuses what says itself that it is too large, before any page is unpacked.

    What the footer says of each column would tell more, but of a damaged file pyarrow 25 ends the process when asked.
    """
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    for leaf in leaves(metadata):
        if leaf.path not in wanted and leaf.path.partition(".")[0] not in wanted:
            continue
        if leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type == "DECIMAL":
            raise MalformedRequest("The Parquet file has decimals of no fixed length, which are not taken.")
        size += metadata.num_rows * max(leaf.length or 0, CELL_BYTES)
    check_size(size)


def check_size(size: int) -> None:
    if size > MAX_UNPACKED:
        raise TooLarge.over_limit(MAX_UNPACKED, "bytes", None, "The unpacked Parquet file")


def unpacked(array: Any) -> int:
    """Bytes of one Arrow array, each text counted as often as it occurs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        words = array.dictionary
        if not (pa.types.is_string(words.type) or pa.types.is_binary(words.type)):
            return int(array.nbytes) + len(array) * CELL_BYTES
        most = len(array) * (CELL_BYTES + words.nbytes)
        if most <= FEW_BYTES:
            return int(most)
        lengths = pc.cast(pc.binary_length(words), pa.int64()).take(array.indices)
        return len(array) * CELL_BYTES + (pc.sum(lengths).as_py() or 0)
    if pa.types.is_map(kind):
        return unpacked(array.keys) + unpacked(array.items)
    if pa.types.is_nested(kind):
        parts = array.flatten()
        inner = sum(map(unpacked, parts)) if pa.types.is_struct(kind) else unpacked(parts)
        return inner + len(array) * CELL_BYTES
    return max(int(array.nbytes), len(array) * CELL_BYTES)


def cells(arrays: list[Any], kind: Kind | None) -> Any:
    """The values of one column: an array that fits its kind, with no Python value for each, or else a list to be checked."""
    found = [array_of(array, kind) for array in arrays] if kind is not None else []
    fitting = [one for one in found if one is not None]
    if fitting and len(fitting) == len(arrays):
        return fitting[0] if len(fitting) == 1 else np.concatenate(fitting)
    return [value for array in arrays for value in values(array)]


def array_of(column: Any, kind: Kind) -> Array | None:
    """What the check would make of the values of one Arrow array; None where it has to look at each."""
    import pyarrow as pa

    stored = column.type
    if column.null_count or not len(column):
        return None
    if pa.types.is_dictionary(stored):
        words = column.dictionary
        if not isinstance(kind, String) or words.type != pa.string() or words.null_count:
            return None
        texts: Array = objects(words.to_pylist())[column.indices.to_numpy()]
        return texts
    if isinstance(kind, Boolean) and pa.types.is_boolean(stored):
        flags: Array = column.to_numpy(zero_copy_only=False)
        return flags
    if not isinstance(kind, Whole | Real) or not (pa.types.is_integer(stored) or pa.types.is_floating(stored)):
        return None
    return kind.of_array(column.to_numpy())


def values(column: Any) -> list[Any]:
    """Python values of one Arrow array; timestamps as datetime64[ns] in UTC, NaN as null."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        words = values(column.dictionary)
        return [None if place is None else words[place] for place in column.indices.to_pylist()]
    kind = column.type
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("ns")), pa.timestamp("ns")
    if pa.types.is_timestamp(kind):
        instants = column.cast(pa.timestamp("ns")).to_numpy(zero_copy_only=False)
        return [None if np.isnat(instant) else instant for instant in instants]
    cells: list[Any] = column.to_pylist()
    if pa.types.is_floating(kind):
        return [None if cell is None or cell != cell else cell for cell in cells]
    return cells
