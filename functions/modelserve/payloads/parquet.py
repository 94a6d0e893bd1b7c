"""Parquet in, read by pyarrow: only in a process that may end, because a damaged file can crash pyarrow."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from modelserve.core.errors import MalformedRequest, ServeError, TooLarge
from modelserve.payloads import Limits, Payload, tables
from modelserve.schema.arrays import fit, is_exact
from modelserve.schema.batch import Table
from modelserve.schema.extra_columns import NO_EXTRA_COLUMNS, ExtraColumns, extra_columns
from modelserve.schema.signature import Signature
from modelserve.schema.texts import Words
from modelserve.schema.types import Boolean, ColumnType, String

# A small file can unpack to gigabytes: this is how far one request may grow, in bytes.
MAX_UNPACKED = 64 << 20
# What a number takes as a Python object with the pointer to it.
CELL_BYTES: Final = 32
DECIMAL_BYTES: Final = 128
BATCH_ROWS: Final = 1_024
INDEX: Final = "__index_level_"  # what pandas calls the columns of its index
# Below these, the exact number of bytes that a batch unpacks to does not matter.
SMALL_BATCH_BYTES: Final = 1 << 20
# The server decodes the words of all columns at once, and other requests wait meanwhile.
MAX_WORDS: Final = 64
# So many columns are opened as they are to be read; what has more is opened twice.
FIRST_COLUMNS: Final = 64


def parse(data: bytes, signature: Signature | None, limits: Limits) -> Payload:
    """Reads only the signature's columns. Raises MalformedRequest if it is not Parquet, and TooLarge before a limit is
    passed."""
    try:
        if signature and tables.takes_frame(signature):
            table = read(data, None, limits)
            return Payload(tables.to_tensor(table.columns, table.rows, signature))
        return Payload(read(data, signature, limits))
    except (ServeError, MemoryError):
        raise
    except Exception as error:  # pyarrow raises errors of many kinds for hostile files and for dates beyond Python's
        raise MalformedRequest("The body is not a readable Parquet file.") from error


def read(data: bytes, signature: Signature | None, limits: Limits) -> Table:
    file = open_file(data, range(FIRST_COLUMNS))
    metadata = file.metadata
    rows = metadata.num_rows
    tables.check_rows(rows, limits)
    tables.check_columns(metadata.num_columns, limits)
    if metadata.num_columns > FIRST_COLUMNS:
        file = open_file(data, range(metadata.num_columns), metadata)
    schema = file.schema_arrow
    names = schema.names
    sources, others = choose_columns(names, signature)
    tables.check_cells(rows * len(sources), limits)
    wanted = set(sources.values())
    flat = all(is_flat(stored) for name, stored in zip(names, schema.types, strict=True) if name in wanted)
    leaves = leaves_of(file, wanted)
    check_metadata(metadata, leaves, flat)
    parts: dict[str, list[Any]] = {name: [] for name in sources}
    size = found = 0
    if sources:
        groups = range(metadata.num_row_groups)
        for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, column_indices=leaves, use_threads=False):
            size += batch_size(batch, flat)
            check_size(size)
            found += batch.num_rows
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            for name, source in sources.items():
                parts[name].append(arrays[source])
        if found != rows:
            raise MalformedRequest("The Parquet file has other rows than it says.")
    if signature is None:
        return Table({name: list_values(arrays) for name, arrays in parts.items()}, rows, others)
    given = (name for name in names if not name.startswith(INDEX))
    return whole_table(parts, signature, rows, others, tables.given_names(given, signature))


def open_file(data: bytes, texts: Collection[int], metadata: Any = None) -> Any:
    """pyarrow's reader, without `ParquetFile`, whose additions take as long as reading some columns. The `texts` among
    these columns are read as places in a dictionary, so that a long text in every row is held once."""
    import pyarrow as pa
    from pyarrow.parquet.core import ParquetReader

    reader = ParquetReader()
    source = pa.BufferReader(data)
    reader.open(source, use_memory_map=False, metadata=metadata, read_dictionary=texts, pre_buffer=False)
    return reader


def leaves_of(file: Any, wanted: Collection[str]) -> list[int]:
    """The places of the leaf columns of those whose names are `wanted`. A name may have dots in it."""
    paths = enumerate(file.column_paths)
    return [place for place, path in paths if any(".".join(path[:end]) in wanted for end in range(1, len(path) + 1))]


def whole_table(
    parts: Mapping[str, list[Any]], signature: Signature, rows: int, others: ExtraColumns, names: tuple[str, ...]
) -> Table:
    columns: dict[str, Sequence[Any]] = {}
    fits = rows > 0
    for column in signature.columns:
        arrays = parts.get(column.name)
        values = whole_column(arrays, column.kind) if arrays else None
        fits = fits and values is not None and is_exact(values)
        if arrays is not None:
            columns[column.name] = list_values(arrays) if values is None else values
    return Table(columns, rows, others, fits, names)


def is_flat(stored: Any) -> bool:
    """Whether the type has one value in each row, of a size that `batch_size` knows."""
    flat, texts, dictionary = flat_types()
    return stored.value_type.id in texts if stored.id == dictionary else stored.id in flat


@cache
def flat_types() -> tuple[frozenset[int], frozenset[int], int]:
    import pyarrow as pa

    whole = (kind() for sign in ("", "u") for kind in (getattr(pa, f"{sign}int{bits}") for bits in (8, 16, 32, 64)))
    kinds = [pa.bool_(), pa.float16(), pa.float32(), pa.float64(), *whole]
    texts = frozenset({pa.string().id, pa.binary().id, pa.large_string().id, pa.large_binary().id})
    return frozenset(kind.id for kind in kinds), texts, pa.dictionary(pa.int32(), pa.string()).id


def choose_columns(names: list[str], signature: Signature | None) -> tuple[dict[str, str], ExtraColumns]:
    if signature and tuple(names) == signature.names and len(set(names)) == len(names):
        return dict(zip(names, names, strict=True)), NO_EXTRA_COLUMNS
    names = [name for name in names if not name.startswith(INDEX)]
    if len(set(names)) != len(names):
        raise MalformedRequest("The Parquet file names a column twice.")
    found = {name: name for name in names}
    if signature is None:
        return found, NO_EXTRA_COLUMNS
    placed = tables.by_position(found, signature)
    sources = {name: placed[name] for name in signature.names if name in placed}
    return sources, extra_columns(placed, sources)


def check_metadata(metadata: Any, leaves: Sequence[int], flat: bool) -> None:
    """Raises TooLarge before any page is unpacked, if the file says itself that it is too large. The footer has more
    about each column, but pyarrow 25 crashes when asked for it in a damaged file."""
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    for place in leaves:
        width = CELL_BYTES
        if not flat:
            leaf = metadata.schema.column(place)
            decimal = leaf.logical_type.type == "DECIMAL"
            if decimal and leaf.physical_type == "BYTE_ARRAY":
                raise MalformedRequest("The Parquet file has decimals of no fixed length, which are not taken.")
            width = max(leaf.length or 0, DECIMAL_BYTES if decimal else CELL_BYTES)
        size += metadata.num_rows * width
    check_size(size)


def check_size(size: int) -> None:
    if size > MAX_UNPACKED:
        raise TooLarge.over_limit(MAX_UNPACKED, "bytes", None, "The unpacked Parquet file")


def batch_size(batch: Any, flat: bool) -> int:
    """Bytes that a batch unpacks to. Of a small one that is flat, at most: as if each cell were all texts of the batch."""
    most: int = batch.num_rows * (CELL_BYTES * batch.num_columns + batch.get_total_buffer_size())
    if flat and most <= SMALL_BATCH_BYTES:
        return most
    return sum(map(unpacked_size, batch.columns))


def unpacked_size(array: Any) -> int:
    """Bytes of one Arrow array, each text counted as often as it occurs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        words = array.dictionary
        if words.type.id not in flat_types()[1]:
            return int(array.nbytes) + len(array) * CELL_BYTES
        lengths = pc.cast(pc.binary_length(words), pa.int64()).take(array.indices)
        return len(array) * CELL_BYTES + (pc.sum(lengths).as_py() or 0)
    if pa.types.is_map(kind):
        return unpacked_size(array.keys) + unpacked_size(array.items)
    if pa.types.is_nested(kind):
        parts = array.flatten()
        inner = sum(map(unpacked_size, parts)) if pa.types.is_struct(kind) else unpacked_size(parts)
        return inner + len(array) * CELL_BYTES
    return max(int(array.nbytes), len(array) * (DECIMAL_BYTES if pa.types.is_decimal(kind) else CELL_BYTES))


def whole_column(arrays: Sequence[Any], kind: ColumnType) -> Sequence[Any] | None:
    """What the check would make of the values of a column; None where it has to look at each."""
    found = [whole_array(array, kind) for array in arrays]
    if len(found) == 1:
        return found[0]
    fitting = [one for one in found if one is not None]
    return np.concatenate(list(map(np.asarray, fitting))) if len(fitting) == len(found) else None  # type: ignore[return-value]


def whole_array(column: Any, kind: ColumnType) -> Sequence[Any] | None:
    import pyarrow as pa

    stored = column.type
    if column.null_count or not len(column):
        return None
    if isinstance(column, pa.DictionaryArray):
        words = column.dictionary
        if not isinstance(kind, String) or words.type not in (pa.string(), pa.large_string()) or words.null_count:
            return None
        column.validate(full=True)  # pyarrow reads places beyond the dictionary
        texts = Words(words.to_pylist(), column.indices.to_numpy())
        return texts if len(words) <= MAX_WORDS else np.asarray(texts)  # type: ignore[return-value]
    if isinstance(kind, Boolean) and pa.types.is_boolean(stored):
        return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    if not (pa.types.is_integer(stored) or pa.types.is_floating(stored)):
        return None
    return fit(column.to_numpy(), kind)  # type: ignore[return-value]  # an array is a sequence


def list_values(arrays: Sequence[Any]) -> list[Any]:
    return [value for array in arrays for value in python_values(array)]


def python_values(column: Any) -> list[Any]:
    """Python values of one Arrow array; timestamps as datetime64[ns] in UTC, NaN as null."""
    import pyarrow as pa

    if isinstance(column, pa.ExtensionArray):  # UUIDs are bytes
        column = column.storage
    if pa.types.is_dictionary(column.type):
        words = python_values(column.dictionary)
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
