"""The segments of the rows: the values of one column, chunk by chunk as the sides read the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from modelserve.core.errors import BadSetting
from modelserve.schema.nested import AnyType
from modelserve.schema.signature import Column, Signature
from modelserve.schema.types import MISSING as ABSENT
from modelserve_control.batch.files import table_files
from modelserve_control.batch.files.chunks import Chunk, TableFile
from modelserve_control.compare.stats.tally import OTHERS, Mask, text

# A column of ids has as many values as rows.
MAX_SEGMENTS: Final = 50
UNREADABLE: Final = "(unreadable)"
MISSING: Final = "(none)"


def open_column(source: Path, column: str, option: str) -> TableFile:
    """The file with this column alone. Raises BadSetting."""
    file = table_files.open_table(source, Signature((Column(column, AnyType(), required=False),)))
    if column not in file.header().columns:
        raise BadSetting(f"{option} names a column that {source.name} does not have.")
    return file


class Segments:
    def __init__(self, source: Path, column: str | None, size: int) -> None:
        self.column = column
        self.known: set[str] = set()
        self.chunks: Iterator[Chunk] = iter(())
        if column is not None:
            self.chunks = open_column(source, column, "--by").chunks(size)

    def next(self) -> dict[str, Mask]:
        chunk = next(self.chunks, None)
        if self.column is None or chunk is None:
            return {}
        values = iter(chunk.table.columns.get(self.column, ()))
        rows: dict[str, list[int]] = {}
        for row in range(chunk.rows):
            rows.setdefault(UNREADABLE if row in chunk.bad else self.name(next(values)), []).append(row)
        masks = {name: np.zeros(chunk.rows, dtype=bool) for name in rows}
        for name, mask in masks.items():
            mask[rows[name]] = True
        return masks

    def name(self, value: Any) -> str:
        if value is None or value is ABSENT:
            return MISSING
        found = text(str(value) if isinstance(value, np.datetime64) else value)
        if found not in self.known:
            if len(self.known) >= MAX_SEGMENTS:
                return OTHERS
            self.known.add(found)
        return found
