"""Wire formats: bytes to a table of values, predictions to JSON. Nothing here knows HTTP, Pub/Sub or storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from modelserve.core.settings import Settings
from modelserve.schema.batch import Table


@dataclass(frozen=True, slots=True)
class Limits:
    """`MAX_ROWS`, `MAX_COLUMNS`, `MAX_DEPTH` and `MAX_CELLS`."""

    rows: int
    columns: int
    depth: int
    cells: int = 1_000_000

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        return cls(settings.max_rows, settings.max_columns, settings.max_depth, settings.max_cells)


class PayloadForm(Enum):
    RECORD = "record"  # one plain record: one result object
    RECORDS = "records"  # a list of plain records: a list of result objects
    INVOCATION = "invocation"  # a form that names itself, CSV or Parquet: `{"predictions": ...}`
    TENSORS = "tensors"  # the Open Inference Protocol: one tensor for each output


class Payload(msgspec.Struct, frozen=True):
    table: Table
    params: Mapping[str, Any] = msgspec.field(default_factory=dict)
    method: str | None = None  # the predict_method that was asked for, if any
    form: PayloadForm = PayloadForm.INVOCATION
    outputs: tuple[str, ...] = ()  # of tensors: the outputs that were asked for
    own_id: str | None = None  # of tensors: the caller's name for the request
    # of tensors: for each of the outputs, or for the one that is given unasked, whether it goes as bytes
    binary: tuple[bool, ...] = ()

    def without_cells(self) -> Payload:
        """They take many times the memory of the checked columns. Cells that a decoder has checked belong to the batch."""
        if self.table.fits:
            return self
        return msgspec.structs.replace(self, table=Table({}, self.table.rows, self.table.others))

    def with_default_method(self, method: str | None) -> Payload:
        return self if method is None or self.method is not None else msgspec.structs.replace(self, method=method)
