"""Files of JSON, lines or an array, as chunks of rows. Each record is decoded as the HTTP function decodes a body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from modelserve.core.errors import MalformedRequest
from modelserve.models.warmup import NO_LIMITS
from modelserve.payloads.json import records as plain
from modelserve.payloads.json import strict as strict_json
from modelserve.schema.batch import Table
from modelserve.schema.signature import Signature
from modelserve_control.batch.files.chunks import Chunk, Piece


class JsonLinesFile:
    """A line that is not a record is a bad row. Empty lines are ignored."""

    record = "line"

    def __init__(self, path: Path, signature: Signature | None) -> None:
        self.path = path
        self.signature = signature

    def count(self) -> int:
        return sum(1 for _ in self.lines())

    def header(self) -> Table:
        """Any line may have any column, so none is missing here."""
        return Table({name: [] for name in self.signature.names} if self.signature else {}, 0)

    def fields(self) -> list[pa.Field]:
        """None, for the same reason."""
        return []

    def chunks(self, size: int) -> Iterator[Chunk]:
        return (piece.read(None) for piece in self.pieces(size, ()))

    def pieces(self, size: int, keep: Sequence[str]) -> Iterator[Piece]:
        lines = self.lines()
        while part := list(islice(lines, size)):
            bad: dict[int, str] = {}
            values: list[Any] = []
            for row, line in enumerate(part):
                try:
                    values.append(self.parse(line))
                except MalformedRequest as error:
                    bad[row] = error.message
            yield Piece(
                len(part),
                [kept_array(name, part, values, bad) for name in keep],
                None,
                partial(self.chunk, values, bad),
            )

    def chunk(self, values: list[Any], bad: dict[int, str], _: object) -> Chunk:
        return Chunk(len(values) + len(bad), plain.parse(values, self.signature, NO_LIMITS).table, bad)

    def parse(self, line: bytes) -> Any:
        value = strict_json.decode(line, NO_LIMITS.depth)
        if type(value) is not dict and (self.signature is None or self.signature.named):
            raise MalformedRequest(f"The {self.record} is not an object.")
        return value

    def lines(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                yield from filter(None, map(bytes.strip, file))
        except OSError as error:
            raise MalformedRequest(f"The input is not a readable file of JSON lines: {error.strerror}.") from error


class JsonFile(JsonLinesFile):
    """An array of records, whose text is in memory at once."""

    record = "record"

    def lines(self) -> Iterator[bytes]:
        return iter(read_array(self.path))


def read_array(path: Path) -> list[bytes]:
    """The text of each record. Raises MalformedRequest."""
    try:
        return [bytes(record) for record in msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw])]
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MalformedRequest(f"The input is not a readable JSON array of records: {reason}.") from error


def kept_array(name: str, part: Sequence[bytes], values: Sequence[Any], bad: Mapping[int, str]) -> pa.Array:
    """Texts as they stand, other values as JSON."""
    found = iter(values)
    cells = [None if row in bad else cell_text(next(found), name) for row in range(len(part))]
    return pa.array(cells, pa.string())


def cell_text(record: Any, name: str) -> str | None:
    cell = record.get(name) if type(record) is dict else None
    return cell if cell is None or type(cell) is str else msgspec.json.encode(cell).decode()
