"""Batches for `modelserve score`: rows written to a file, scored by the real command, and read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from command_line import CommandLine
from serving import release

if TYPE_CHECKING:
    from models.library import Library

GOOD = {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}
BAD: tuple[dict[str, Any], ...] = (
    GOOD | {"tenure": 1.5},
    GOOD | {"tenure": None, "monthlycharges": None},
    GOOD | {"contract": None},
    GOOD | {"monthlycharges": float("inf")},
)


@dataclass(frozen=True)
class Batches:
    models: Library
    directory: Path
    runtime: str = "native"

    @property
    def output(self) -> Path:
        return self.directory / "out.parquet"

    def __call__(self, model: str, rows: Any, *words: object, presentation: Any = None, code: int = 0) -> Any:
        """Scores rows (a table, records, or CSV text) with a version of one of `models`; the command's JSON."""
        store = self.directory / f"store-{model}"
        if not store.exists():
            release(store, model, self.models.path(model), presentation, runtime=self.runtime)
        source = self.directory / ("in.csv" if isinstance(rows, str) else "in.parquet")
        if isinstance(rows, str):
            source.write_text(rows)
        else:
            pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), source)
        command = CommandLine(str(store), {"MODEL_TRUST": "pickle"})
        return command.json("score", f"{model}@champion", source, self.output, *words, code=code)


def scored(path: Path) -> list[dict[str, Any]]:
    """The output's rows."""
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows
