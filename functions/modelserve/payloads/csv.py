"""CSV in: a header line, then one line per row, as RFC 4180 has it. An empty field is null."""

import csv
from collections.abc import Sequence
from io import StringIO
from itertools import repeat
from typing import Final

from modelserve.core.errors import MalformedRequest, UnsupportedMediaType
from modelserve.payloads import Limits, Payload, tables
from modelserve.schema.extra_columns import extra_columns
from modelserve.schema.signature import Signature, infer_text

# What spreadsheets write where the comma is a decimal sign, and what is copied out of them.
OTHER_SEPARATORS: Final = frozenset(";\t")


def parse(data: bytes, signature: Signature | None, limits: Limits) -> Payload:
    """Reads values as the types of the signature. Raises MalformedRequest, which names the first line of the wrong
    length."""
    if signature and signature.tensors and not tables.takes_frame(signature):
        raise UnsupportedMediaType("This model takes tensors, which CSV cannot hold; send JSON inputs.")
    lines = read_unquoted(data, limits) or read_quoted(data, limits)
    if not lines:
        raise MalformedRequest("The CSV body is empty; its first line must name the columns.")
    names, rows = lines[0], lines[1:]
    tables.check_rows(len(rows), limits)
    tables.check_columns(len(names), limits)
    if len(set(names)) != len(names):
        raise MalformedRequest("The CSV header names a column twice.")
    only = names[0] if len(names) == 1 else ""
    if signature and signature.named and only not in signature.names and not OTHER_SEPARATORS.isdisjoint(only):
        raise MalformedRequest(
            "The CSV header is one field, with semicolons or tabs in it; fields must be separated by commas."
        )
    if rows and set(map(len, rows)) != {len(names)}:
        place, fields = next((place, len(row)) for place, row in enumerate(rows) if len(row) != len(names))
        raise MalformedRequest(f"CSV row {place} has {fields} fields, the header has {len(names)}.")
    columns: dict[str, Sequence[str]] = dict(zip(names, zip(*rows, strict=True) if rows else repeat(()), strict=False))
    if signature is None:
        return Payload(infer_text(columns, len(rows)))
    if tables.takes_frame(signature):
        return Payload(tables.to_tensor(infer_text(columns, len(rows)).columns, len(rows), signature))
    given = tables.given_names(columns, signature)
    columns = dict(tables.by_position(columns, signature))
    known = {name: columns[name] for name in signature.names if name in columns}
    return Payload(signature.parse_text(known, len(rows), extra_columns(columns, known), given))


def read_unquoted(data: bytes, limits: Limits) -> list[list[str]] | None:
    if b'"' in data:
        return None
    lines = data.splitlines()
    if len(lines) - 1 > limits.rows or max(map(len, lines), default=0) > csv.field_size_limit():
        return None
    if len(data) > limits.cells and data.count(b",") + len(lines) > limits.cells:
        return None
    try:
        rows = b"\n".join(lines).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        return None
    return [row.split(",") for row in rows] if all(rows) else None


def read_quoted(data: bytes, limits: Limits) -> list[list[str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedRequest("The body is not valid UTF-8.") from None
    lines: list[list[str]] = []
    cells = 0
    try:
        for line in csv.reader(StringIO(text, newline=""), strict=True):
            if line:
                lines.append(line)
                cells += len(line)
            tables.check_rows(len(lines) - 1, limits)
            tables.check_cells(cells, limits)
    except csv.Error as error:
        raise MalformedRequest(f"The body is not valid CSV near line {len(lines) + 1}.") from error
    return lines
