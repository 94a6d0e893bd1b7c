"""The typed decoder of one version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import msgspec

from modelserve.core.errors import BadInput
from modelserve.payloads import Limits, Payload
from modelserve.payloads.json.mlflow import FORMS
from modelserve.payloads.json.strict import count_values
from modelserve.payloads.json.typed.cells import MAX_COLUMNS, Categories, Unusual
from modelserve.payloads.json.typed.forms import Forms
from modelserve.payloads.json.typed.tensors import Tensors
from modelserve.schema.extra_columns import ExtraColumns
from modelserve.schema.signature import Signature
from modelserve.schema.types import SCALARS

# Columns that are not the model's get a field once they have been seen, for so many names of such a length.
MAX_EXTRA, MAX_EXTRA_LETTERS = 16, 64
MIN_DEPTH: Final = 4  # of the deepest form: an object, of a list, of objects, of lists
FAILURES: Final = (Unusual, msgspec.MsgspecError, BadInput, ValueError, OverflowError, RecursionError)

T = TypeVar("T")


class TypedDecoder:
    """For one signature. May be used by several threads.

    With `categories` a body is read as if it held no others; one that does is read again. Raises ValueError for a signature
    that has what only the reporting decoder knows.
    """

    def __init__(self, signature: Signature, limits: Limits, categories: Categories) -> None:
        kinds = [column.kind for column in signature.columns]
        if not signature.named or not all(kind in SCALARS.values() for kind in kinds):
            raise ValueError("columns of other kinds")
        if limits.depth < MIN_DEPTH or len(kinds) > min(MAX_COLUMNS, limits.columns):
            raise ValueError("beyond the limits")
        if not set(FORMS).isdisjoint(signature.names):
            raise ValueError("a column with the name of a form")
        self.signature = signature
        self.limits = limits
        self._categories: list[Categories] = [categories, {}] if categories else [{}]
        self._tensors = [Tensors(signature, limits, known) for known in self._categories]
        self._extra: tuple[str, ...] = ()
        self._forms = self._make_forms(())

    def _make_forms(self, extra: Sequence[str]) -> list[Forms]:
        return [Forms(self.signature, self.limits, known, extra) for known in self._categories]

    def read_predict(self, data: bytes) -> Payload | None:
        """Each gives None for the reporting decoder."""
        return self._read(data, self._forms, Forms.read_predict)

    def read_invocation(self, data: bytes) -> Payload | None:
        return self._read(data, self._forms, Forms.read_invocation)

    def read_tensors(self, data: bytes) -> Payload | None:
        return self._read(data, self._tensors, Tensors.read)

    def _read(self, data: bytes, readers: Iterable[T], read: Callable[[T, bytes], Payload]) -> Payload | None:
        limits = self.limits
        if len(data) > limits.cells and count_values(data, limits.cells) > limits.cells:
            return None
        for reader in readers:
            try:
                return read(reader, data)
            except FAILURES:
                continue
        return None

    def learn(self, others: ExtraColumns) -> None:
        """Read these columns too from now on, to leave them out."""
        new = [name for name in others.names if name not in self._extra and len(name) <= MAX_EXTRA_LETTERS]
        room = min(MAX_EXTRA, self.limits.columns - len(self.signature.columns)) - len(self._extra)
        if new and len(new) <= room and set(FORMS).isdisjoint(new):
            with suppress(ValueError):  # a name that is no text of Unicode
                self._forms = self._make_forms((*self._extra, *new))
                self._extra = (*self._extra, *new)
