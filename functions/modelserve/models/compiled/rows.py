"""The short way in: JSON records of exactly the expected columns, straight into the tensors of a compiled model.

`rows.c` does it, in less than half of the time of making Python values, checking them and packing them. It stops (None) at
anything else: another form, a bad cell, a column too few. Then the general decoder decides, so the rules and the words of
every refusal are in one place. Where its library has not been made, the general decoder reads everything.
"""

from __future__ import annotations

import ctypes
from typing import Final, NamedTuple

from modelserve.models.compiled.packing import CODES, NUMBERS, Packing, own_tensor
from modelserve.models.compiled.rows_plan import CELLS, library, made_plan
from modelserve.payloads import Limits
from modelserve.payloads.mlflow import FORMS
from modelserve.schema.signature import Signature
from modelserve.schema.types import Array, objects

RECORDS: Final = (None, "dataframe_records", "instances")  # as `enum form` in rows.c
MOST_EXTRA: Final = 16  # as in rows.c


class Taken(NamedTuple):
    """Records that are in the tensors now."""

    rows: int
    form: str | None
    """One of RECORDS; None for plain records."""
    single: bool
    extra: int


class RowReader:
    """For one compiled model, with tensors for `most_rows` rows. Not for two threads at once.

    Raises ValueError when the signature has what only the general decoder knows, or when there is no library.
    """

    def __init__(self, signature: Signature, packing: Packing, limits: Limits, most_rows: int) -> None:
        kinds = {column.kind.name for column in signature.columns}
        if signature.params or not signature.named or kinds - set(CELLS) or limits.depth < 4:
            raise ValueError("the general decoder only")
        if set(signature.names) & set(FORMS) or len(signature.names) > limits.columns:
            raise ValueError("no record of these columns is taken as one")
        if library() is None:
            raise ValueError("the library of rows.c has not been made")
        self._most_rows_of_one = limits.rows
        self._plan, self._kept = made_plan(signature, packing, most_rows)
        self._plan.most_extra = min(MOST_EXTRA, limits.columns - len(signature.names))
        self._read, self._address = library().read_rows, ctypes.addressof(self._plan)
        self._texts = [(tensor, column, place) for place, (tensor, column) in enumerate(packing.plan.texts.items())]
        self._values = [objects([None] * most_rows) for _ in self._texts]

    def take(self, data: bytes, row: int, plain: bool) -> Taken | None:
        """Its records are in the tensors from `row` on. `plain` says whether they may come without a form around them."""
        plan = self._plan
        if not self._read(self._address, data, len(data), row, plain) or plan.rows > self._most_rows_of_one:
            return None
        if self._texts:
            self._keep_texts(data, row, row + plan.rows)
        return Taken(plan.rows, RECORDS[plan.form], bool(plan.single), plan.extra)

    def _keep_texts(self, data: bytes, first: int, end: int) -> None:
        for values, spans in zip(self._values, self._kept.texts[first:end].transpose(1, 0, 2).tolist(), strict=True):
            values[first:end] = [None if start < 0 else str(data[start:stop], "utf-8") for start, stop in spans]

    def tensors(self, first: int, end: int) -> dict[str, Array]:
        """Those of the rows from `first` to before `end`, until other records are taken to their place."""
        feeds = {tensor: own_tensor(column, self._values[place][first:end]) for tensor, column, place in self._texts}
        if self._plan.numbers_width:
            feeds[NUMBERS] = self._kept.numbers[first:end]
        if self._plan.codes_width:
            feeds[CODES] = self._kept.codes[first:end]
        return feeds
