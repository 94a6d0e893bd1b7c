"""Wire formats: bytes to a table of values, predictions to JSON. Nothing here knows HTTP, Pub/Sub or storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelserve.schema.batch import Table


@dataclass(frozen=True, slots=True)
class Limits:
    """`MAX_ROWS`, `MAX_COLUMNS`, `MAX_DEPTH` and `MAX_CELLS`."""

    rows: int
    columns: int
    depth: int
    cells: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Payload:
    """One decoded request."""

    table: Table
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str | None = None
    """The predict_method that was asked for, if any."""
    plain: bool = False
    """Answer with result objects instead of `{"predictions": ...}`."""
    single: bool = False
    """One record came, so one result goes back instead of a list."""

    def without_cells(self) -> Payload:
        """They take many times the memory of the checked columns."""
        return replace(self, table=Table({}, self.table.rows, self.table.others))

    def asking(self, method: str | None) -> Payload:
        """With this predict_method unless it names one itself."""
        return self if method is None or self.method is not None else replace(self, method=method)
