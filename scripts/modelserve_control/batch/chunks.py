"""A Parquet or CSV file as chunks of rows, decoded as the HTTP function decodes such bodies."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from modelserve.core.errors import MalformedRequest
from modelserve.models.warmup import NO_LIMITS
from modelserve.payloads import csv as text_csv
from modelserve.payloads import parquet, tables
from modelserve.schema.batch import Table, select_rows
from modelserve.schema.signature import Signature

# Bytes. By default pyarrow reads a whole column of a row group at once, and row groups may be of any size.
BUFFER_SIZE = 1 << 20


@dataclass(frozen=True)
class Chunk:
    """`rows` consecutive rows. `bad` has the reason of each row that cannot be decoded, `table` the others in order."""

    rows: int
    table: Table
    bad: dict[int, str] = field(default_factory=dict)


class TableFile(Protocol):
    def count(self) -> int:
        """The number of rows. Raises MalformedRequest when the file cannot be read to its end."""
        ...

    def header(self) -> Table:
        """The columns without rows."""
        ...

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All rows in order, at most `size` at a time."""
        ...


class ParquetFile:
    """Only the columns of the signature are read."""

    def __init__(self, path: Path, signature: Signature | None) -> None:
        self.path = path
        self.signature = signature
        with raise_malformed("Parquet"), pq.ParquetFile(path) as file:
            self.rows: int = file.metadata.num_rows
            names = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]
        if len(set(names)) != len(names):
            raise MalformedRequest("The Parquet file names a column twice.")
        known = tables.by_position(dict(zip(names, names, strict=True)), signature) if signature else {}
        self.names = [known[name] for name in signature.names if name in known] if signature else names
        self.all_names = names

    def count(self) -> int:
        return self.rows

    def header(self) -> Table:
        return tables.keep({name: [] for name in self.all_names}, 0, self.signature)

    def chunks(self, size: int) -> Iterator[Chunk]:
        with raise_malformed("Parquet"), pq.ParquetFile(self.path, buffer_size=BUFFER_SIZE) as file:
            for batch in file.iter_batches(size, columns=self.names):
                yield self.chunk(batch)

    def chunk(self, part: pa.RecordBatch) -> Chunk:
        bad: dict[int, str] = {}
        columns = {name: read_cells(name, part.column(name), bad) for name in self.names}
        table = tables.keep(columns, part.num_rows, self.signature)
        good = [row for row in range(part.num_rows) if row not in bad]
        return Chunk(part.num_rows, select_rows(table, good) if bad else table, bad)


def read_cells(name: str, column: Any, bad: dict[int, str]) -> list[Any]:
    """Arrow refuses a whole column for one time beyond datetime64[ns], such as the year 9999."""
    try:
        return parquet.python_values(column)
    except pa.ArrowInvalid:
        pass
    found: list[Any] = []
    for row in range(len(column)):
        try:
            found += parquet.python_values(column.slice(row, 1))
        except pa.ArrowInvalid:
            found.append(None)
            bad[row] = f"{name}: out of range for its type"
    return found


class CsvFile:
    def __init__(self, path: Path, signature: Signature | None) -> None:
        self.path = path
        self.signature = signature

    def count(self) -> int:
        return sum(1 for _ in self.lines()) - 1

    def header(self) -> Table:
        names = next(self.lines(), None)
        return self.table([names] if names else [])

    def chunks(self, size: int) -> Iterator[Chunk]:
        lines = self.lines()
        names = next(lines)
        while rows := list(islice(lines, size)):
            bad = {
                place: f"has {len(row)} fields, the header has {len(names)}"
                for place, row in enumerate(rows)
                if len(row) != len(names)
            }
            good = [row for place, row in enumerate(rows) if place not in bad]
            yield Chunk(len(rows), self.table([names, *good]), bad)

    def table(self, lines: list[list[str]]) -> Table:
        """Writes the lines as CSV again, so that the parser of request bodies gives each field its meaning."""
        text = StringIO(newline="")
        csv.writer(text).writerows(lines)
        return text_csv.parse(text.getvalue().encode(), self.signature, NO_LIMITS).table

    def lines(self) -> Iterator[list[str]]:
        with raise_malformed("CSV"), self.path.open(encoding="utf-8-sig", newline="") as file:
            yield from filter(None, csv.reader(file, strict=True))


@contextmanager
def raise_malformed(form: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, csv.Error, UnicodeDecodeError, OSError) as error:
        raise MalformedRequest(
            f"The input is not a readable {form} file: {str(error).splitlines()[0].rstrip('.')}."
        ) from error
