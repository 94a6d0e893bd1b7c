"""A CSV file as chunks of rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from io import StringIO
from itertools import islice
from pathlib import Path

import pyarrow as pa

from modelserve.models.warmup import NO_LIMITS
from modelserve.payloads import csv as text_csv
from modelserve.schema.batch import Table
from modelserve.schema.signature import Signature
from modelserve_control.batch.files.chunks import Chunk, Piece, raise_malformed


class CsvFile:
    def __init__(self, path: Path, signature: Signature | None) -> None:
        self.path = path
        self.signature = signature

    def count(self) -> int:
        return sum(1 for _ in self.lines()) - 1

    def header(self) -> Table:
        names = next(self.lines(), None)
        return self.table([names] if names else [])

    def fields(self) -> list[pa.Field]:
        return [pa.field(name, pa.string()) for name in next(self.lines(), [])]

    def chunks(self, size: int) -> Iterator[Chunk]:
        return (piece.read(None) for piece in self.pieces(size, ()))

    def pieces(self, size: int, keep: Sequence[str]) -> Iterator[Piece]:
        lines = self.lines()
        names = next(lines)
        places = [names.index(name) for name in keep]
        while rows := list(islice(lines, size)):
            kept = [
                pa.array([row[at] or None if at < len(row) else None for row in rows], pa.string()) for at in places
            ]
            yield Piece(len(rows), kept, None, partial(self.chunk, names, rows))

    def chunk(self, names: list[str], rows: list[list[str]], _: object) -> Chunk:
        bad = {
            place: f"has {len(row)} fields, the header has {len(names)}"
            for place, row in enumerate(rows)
            if len(row) != len(names)
        }
        good = [row for place, row in enumerate(rows) if place not in bad]
        return Chunk(len(rows), self.table([names, *good]), bad)

    def table(self, lines: list[list[str]]) -> Table:
        """Writes the lines as CSV again, so that the parser of request bodies gives each field its meaning."""
        text = StringIO(newline="")
        csv.writer(text).writerows(lines)
        return text_csv.parse(text.getvalue().encode(), self.signature, NO_LIMITS).table

    def lines(self) -> Iterator[list[str]]:
        with raise_malformed("CSV"), self.path.open(encoding="utf-8-sig", newline="") as file:
            yield from filter(None, csv.reader(file, strict=True))
