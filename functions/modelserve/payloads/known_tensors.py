"""Binary requests whose JSON came before: a client sends one description again and again, with other numbers behind it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace

from modelserve.payloads import Payload
from modelserve.payloads.binary_tensors import DTYPES
from modelserve.schema.arrays import fit, is_exact
from modelserve.schema.batch import Matrix, Table
from modelserve.schema.signature import Signature

MAX_KNOWN: Final = 16
MAX_JSON_BYTES: Final = 8 << 10


class Description(NamedTuple):
    """Numbers of one datatype for all columns."""

    payload: Payload
    dtype: np.dtype[Any]
    rows: int
    places: list[int] | None
    """Of the columns among the tensors, if each is one; otherwise one tensor has all rows."""


class KnownTensors:
    """For a model whose columns have one type of numbers. May be used by several threads."""

    def __init__(self, signature: Signature | None) -> None:
        self.names = signature.names if signature else ()
        kinds = {column.kind for column in signature.columns} if signature and not signature.tensors else set()
        self._kind = kinds.pop() if len(kinds) == 1 else None
        self._known: dict[bytes, Description] = {}

    def read(self, data: bytes, json_size: int) -> Payload | None:
        """None unless all is as in a request that was taken before, and every number fits."""
        known = self._known.get(data[:json_size]) if self._known else None
        if known is None or self._kind is None:
            return None
        width = len(self.names)
        if len(data) - json_size != known.rows * width * known.dtype.itemsize:
            return None
        shape = (known.rows, width) if known.places is None else (width, known.rows)
        # A copy, since they may begin at any byte of the body.
        numbers = fit(np.frombuffer(data, known.dtype, offset=json_size).reshape(shape).copy(), self._kind)
        if numbers is None or not is_exact(numbers):
            return None
        matrix = Matrix(self.names, numbers if known.places is None else numbers[known.places].T)
        return replace(known.payload, table=Table(matrix, known.rows, fits=True))

    def learn(self, data: bytes, json_size: int, payload: Payload) -> None:
        """From a request that was taken."""
        if self._kind is None or json_size > MAX_JSON_BYTES or payload.table.others:
            return
        inputs = msgspec.json.decode(data[:json_size])["inputs"]
        kinds = {one["datatype"] for one in inputs} if all("data" not in one for one in inputs) else set()
        rows, names = inputs[0]["shape"][0], tuple(one["name"] for one in inputs)
        is_matrix = inputs[0]["shape"] == [rows, len(self.names)] and len(inputs) == 1
        if len(kinds) != 1 or not (is_matrix or set(names) == set(self.names)):
            return
        datatype = kinds.pop()
        if datatype in ("BOOL", "BYTES"):
            return
        if len(self._known) >= MAX_KNOWN:
            self._known = {}
        places = None if is_matrix else [names.index(name) for name in self.names]
        self._known[data[:json_size]] = Description(payload, DTYPES[datatype], rows, places)
