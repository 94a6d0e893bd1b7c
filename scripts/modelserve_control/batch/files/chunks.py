"""Chunks of rows, decoded as the HTTP function decodes bodies, and the Parquet files that they are read from."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from modelserve.core.coalescer import chunks
from modelserve.core.errors import MalformedRequest
from modelserve.payloads import parquet, tables
from modelserve.schema.batch import Table, select_rows
from modelserve.schema.signature import Signature

# Bytes. By default pyarrow reads a whole column of a row group at once, and row groups may be of any size.
BUFFER_SIZE = 1 << 20
# Of one reader, or a single row group with more. One of pyarrow 25 keeps each text that it has read outside a dictionary.
READER_ROWS = 100_000


@dataclass(frozen=True)
class Chunk:
    """`rows` consecutive rows. `bad` has the reason of each row that cannot be decoded, `table` the others in order."""

    rows: int
    table: Table
    bad: dict[int, str] = field(default_factory=dict)


class Piece(NamedTuple):
    """`rows` consecutive rows with the columns that are only carried over, before they are decoded. `arrow` has the columns of
    a file that has typed ones. `read` decodes all of the rows, or of such a file those at some places."""

    rows: int
    kept: list[pa.Array]
    arrow: pa.RecordBatch | None
    read: Callable[[Any], Chunk]


class TableFile(Protocol):
    def count(self) -> int:
        """The number of rows. Raises MalformedRequest when the file cannot be read to its end."""
        ...

    def header(self) -> Table:
        """The columns without rows."""
        ...

    def fields(self) -> list[pa.Field]:
        """All columns, with the types in which they can be carried over."""
        ...

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All rows in order, at most `size` at a time."""
        ...

    def pieces(self, size: int, keep: Sequence[str]) -> Iterator[Piece]:
        """As `chunks`, with the columns `keep`."""
        ...


class ArrowFile(ABC):
    """Of typed columns; only those of the signature are read."""

    form: str

    def __init__(self, schema: pa.Schema, rows: int, signature: Signature | None) -> None:
        self.signature = signature
        self.rows = rows
        names = [name for name in schema.names if not name.startswith(parquet.INDEX)]
        if len(set(names)) != len(names):
            raise MalformedRequest(f"The {self.form} names a column twice.")
        known = tables.by_position(dict(zip(names, names, strict=True)), signature) if signature else {}
        self.known = known
        self.names = [known[name] for name in signature.names if name in known] if signature else names
        self.all_names = names
        self.stored = {name: schema.field(name) for name in names}

    @abstractmethod
    def batches(self, size: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """All rows in order, at most `size` at a time."""

    def count(self) -> int:
        return self.rows

    def header(self) -> Table:
        return tables.keep({name: [] for name in self.all_names}, 0, self.signature)

    def fields(self) -> list[pa.Field]:
        return [pa.field(name, value_type(one.type)) for name, one in self.stored.items()]

    def chunks(self, size: int) -> Iterator[Chunk]:
        return (piece.read(None) for piece in self.pieces(size, ()))

    def pieces(self, size: int, keep: Sequence[str]) -> Iterator[Piece]:
        for batch in self.batches(size, list(dict.fromkeys([*self.names, *keep]))):
            kept = [as_values(batch.column(name)) for name in keep]
            yield Piece(batch.num_rows, kept, batch, partial(self.chunk, batch))

    def chunk(self, part: pa.RecordBatch, rows: Any) -> Chunk:
        part = part if rows is None else part.take(pa.array(rows))
        bad: dict[int, str] = {}
        columns = {name: read_cells(name, part.column(name), bad) for name in self.names}
        table = tables.keep(columns, part.num_rows, self.signature)
        good = [row for row in range(part.num_rows) if row not in bad]
        return Chunk(part.num_rows, select_rows(table, good) if bad else table, bad)


class ParquetFile(ArrowFile):
    """The row groups from `start` to `end`."""

    form = "Parquet file"

    def __init__(
        self, path: Path | IO[bytes], signature: Signature | None, start: int = 0, end: int | None = None
    ) -> None:
        self.path = path
        with raise_malformed("Parquet"), pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
            self.groups = range(start, metadata.num_row_groups if end is None else end)
            self.group_rows = [metadata.row_group(group).num_rows for group in self.groups]
        super().__init__(schema, sum(self.group_rows), signature)

    def batches(self, size: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        texts = [name for name in self.names if is_text(self.stored[name].type)]
        with (
            raise_malformed("Parquet"),
            pq.ParquetFile(self.path, buffer_size=BUFFER_SIZE, read_dictionary=texts) as file,
        ):
            for run in chunks(self.groups, lambda group: (self.group_rows[group - self.groups.start],), (READER_ROWS,)):
                yield from file.iter_batches(size, row_groups=run, columns=columns, use_threads=False)
                pa.default_memory_pool().release_unused()  # or the next reader's memory comes on top


def is_text(kind: pa.DataType) -> bool:
    found: bool = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return found


def value_type(kind: pa.DataType) -> pa.DataType:
    """Texts and categories are texts, however they are stored."""
    found = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if is_text(found) else found


def as_values(array: pa.Array) -> pa.Array:
    values = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    return values.cast(pa.string()) if pa.types.is_large_string(values.type) else values


def read_cells(name: str, column: Any, bad: dict[int, str]) -> list[Any]:
    """Arrow refuses a whole column for one time beyond datetime64[ns], such as the year 9999, and without pandas for one
    duration that is no whole number of microseconds."""
    try:
        return parquet.python_values(column)
    except (ValueError, OverflowError):  # pa.ArrowInvalid is a ValueError
        pass
    found: list[Any] = []
    for row in range(len(column)):
        try:
            found += parquet.python_values(column.slice(row, 1))
        except (ValueError, OverflowError):
            found.append(None)
            bad[row] = f"{name}: out of range for its type"
    return found


@contextmanager
def raise_malformed(form: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, csv.Error, UnicodeDecodeError, OSError) as error:
        raise MalformedRequest(
            f"The input is not a readable {form} file: {str(error).splitlines()[0].rstrip('.')}."
        ) from error
