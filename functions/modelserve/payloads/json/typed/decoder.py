"""The typed decoder of one version."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from modelserve.core.errors import BadInput
from modelserve.payloads import Limits, Payload
from modelserve.payloads.json.mlflow import FORMS
from modelserve.payloads.json.strict import count_values
from modelserve.payloads.json.typed.cells import Unusual
from modelserve.payloads.json.typed.forms import Forms
from modelserve.payloads.json.typed.tensors import Tensors
from modelserve.schema.extra_columns import Others
from modelserve.schema.signature import Signature
from modelserve.schema.types import SCALARS

# msgspec looks for a key among all fields when it does not stand at its place: with many that takes long.
MAX_COLUMNS: Final = 256
# Columns that are not the model's get a field once they have been seen, for so many names of such a length.
MAX_EXTRA, MAX_EXTRA_LETTERS = 16, 64
MIN_DEPTH: Final = 4  # of the deepest form: an object, of a list, of objects, of lists
FAILURES: Final = (Unusual, msgspec.MsgspecError, BadInput, ValueError, OverflowError, RecursionError)


class TypedDecoder:
    """For one signature. May be used by several threads.

    Raises ValueError for a signature that has what only the reporting decoder knows.
    """

    def __init__(self, signature: Signature, limits: Limits) -> None:
        kinds = [column.kind for column in signature.columns]
        if not signature.named or not all(kind in SCALARS.values() for kind in kinds):
            raise ValueError("columns of other kinds")
        if limits.depth < MIN_DEPTH or len(kinds) > min(MAX_COLUMNS, limits.columns):
            raise ValueError("beyond the limits")
        if not set(FORMS).isdisjoint(signature.names):
            raise ValueError("a column with the name of a form")
        self.signature = signature
        self.limits = limits
        self._forms = Forms(signature, limits)
        self._tensors = Tensors(signature, limits)

    def decode(self, data: bytes, reads: Reader) -> Payload | None:
        """None for the reporting decoder."""
        limits = self.limits
        if len(data) > limits.cells and count_values(data, limits.cells) > limits.cells:
            return None
        try:
            return reads(self, data)
        except FAILURES:
            return None

    def read_predict(self, data: bytes) -> Payload:
        return self._forms.read(data, records=True)

    def read_invocation(self, data: bytes) -> Payload:
        return self._forms.read(data, records=False)

    def read_tensors(self, data: bytes) -> Payload:
        return self._tensors.read(data)

    def learn(self, others: Others) -> None:
        """Read these columns too from now on, to leave them out."""
        known = self._forms.extra
        new = [name for name in others.names if name not in known and len(name) <= MAX_EXTRA_LETTERS]
        room = min(MAX_EXTRA, self.limits.columns - len(self.signature.columns)) - len(known)
        if new and len(new) <= room and set(FORMS).isdisjoint(new):
            with suppress(ValueError):  # a name that is no text of Unicode
                self._forms = Forms(self.signature, self.limits, (*known, *new))


Reader = Callable[[TypedDecoder, bytes], Payload]
