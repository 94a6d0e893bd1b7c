"""The binary tensor extension of the Open Inference Protocol: a JSON document, then the bytes of its tensors.

Numbers are views of the body: no Python value is made for a cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from struct import Struct
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace

from modelserve.core.errors import MalformedRequest
from modelserve.payloads.predictions import encode
from modelserve.schema.arrays import fit, is_exact
from modelserve.schema.batch import Table
from modelserve.schema.signature import Signature
from modelserve.schema.types import Array, ColumnType, String

SIZE: Final = "binary_data_size"
DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "BOOL": np.dtype("u1"),
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
LENGTH: Final = Struct("<I")  # stands before each text


class Buffer:
    """The bytes behind the JSON of a request, which its tensors take in order."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def take(self, size: Any, place: int) -> memoryview:
        """Raises MalformedRequest unless so many bytes are left."""
        if type(size) is not int or not 0 <= size <= len(self._data):
            raise MalformedRequest(f"{SIZE} of input {place} is not a number of bytes that the body still has.")
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def check_empty(self) -> None:
        if self._data:
            raise MalformedRequest(f"The body has {len(self._data)} bytes more than its tensors; check {SIZE}.")


def split_body(data: bytes, json_size: int) -> tuple[bytes, Buffer]:
    """The JSON document, and the bytes of the tensors."""
    if json_size > len(data):
        raise MalformedRequest("Inference-Header-Content-Length is more than the length of the body.")
    return data[:json_size], Buffer(memoryview(data)[json_size:])


def read_items(data: memoryview, datatype: str, shape: Sequence[int], place: int, most: int) -> Array | list[bytes]:
    """One item for each cell: an array of numbers, or the bytes of each text. Raises MalformedRequest."""
    items = min(prod(shape), most + 1)  # a shape can name numbers of any length
    if datatype == "BYTES":
        return read_texts(data, items, place)
    dtype = DTYPES[datatype]
    if len(data) != items * dtype.itemsize:
        raise MalformedRequest(f"Input {place} has {len(data)} bytes, its shape and datatype need another number.")
    array = np.frombuffer(data, dtype)
    if datatype != "BOOL":
        return array
    if array.max(initial=0) > 1:
        raise MalformedRequest(f"The data of input {place} holds bytes that are not BOOL.")
    return array.view(bool)


def read_texts(data: memoryview, items: int, place: int) -> list[bytes]:
    found: list[bytes] = []
    at, end = 0, len(data)
    while at + LENGTH.size <= end and len(found) < items:
        start = at + LENGTH.size
        at = start + LENGTH.unpack_from(data, at)[0]
        found.append(bytes(data[start:at]))
    if at != end or len(found) != items:
        raise MalformedRequest(
            f"Input {place} is not as many texts as its shape needs, each behind its length in 4 bytes."
        )
    return found


def fit_arrays(table: Table, signature: Signature | None) -> Table:
    """With every array in the dtype of its column, or as JSON values where it does not plainly fit."""
    kinds = {column.name: column.kind for column in signature.columns} if signature else {}
    columns: dict[str, Any] = dict(table.columns)
    groups: dict[Any, list[str]] = {}  # arrays alike are looked at together
    for name, values in table.columns.items():
        kind = kinds.get(name)
        if isinstance(values, np.ndarray):
            groups.setdefault((kind, values.dtype, values.shape), []).append(name)
        elif isinstance(kind, String):
            texts = kind.fast(values)
            columns[name] = values if texts is None else texts
    for (kind, _, _), names in groups.items():
        arrays = [columns[name] for name in names]
        for name, array, fitting in zip(names, arrays, fit_group(kind, arrays), strict=True):
            columns[name] = json_values(array) if fitting is None else fitting
    fits = len(columns) == len(kinds) and all(is_fitting_cell_column(values) for values in columns.values())
    return replace(table, columns=columns, fits=fits)


def fit_matrix(matrix: Array, signature: Signature | None) -> Table | None:
    """A table of all columns at once, where they have one type and every number plainly fits."""
    kinds = {column.kind for column in signature.columns} if signature else set()
    fitting = fit(matrix, kinds.pop()) if len(kinds) == 1 else None
    if signature is None or fitting is None:
        return None
    return Table(dict(zip(signature.names, fitting.T, strict=True)), len(matrix), fits=is_exact(fitting))


def fit_group(kind: ColumnType | None, arrays: Sequence[Array]) -> Iterable[Array | None]:
    if kind is None:
        return [None] * len(arrays)
    together = fit(np.array(arrays), kind) if len(arrays) > 1 else None
    return [fit(array, kind) for array in arrays] if together is None else together


def is_fitting_cell_column(values: Any) -> bool:
    """Whether it has one value for each row, of which a double keeps each number."""
    return isinstance(values, np.ndarray) and values.ndim == 1 and is_exact(values)


def json_values(values: Array) -> list[Any]:
    """NaN is a null, as in Parquet."""
    missing = np.isnan(values) if values.dtype.kind == "f" else np.False_
    if missing.any():
        values = values.astype(object)
        values[missing] = None
    found: list[Any] = values.tolist()
    return found


class Encoded(NamedTuple):
    """An answer of which at least one tensor is binary."""

    body: bytes
    json_size: int


def encode_answer(answer: Mapping[str, Any], outputs: Sequence[tuple[Mapping[str, Any], bytes | None]]) -> Encoded:
    """`outputs` are the descriptions of the tensors, and the bytes of those that are binary."""
    described = [tensor if data is None else {**tensor, "parameters": {SIZE: len(data)}} for tensor, data in outputs]
    head = encode({**answer, "outputs": described})
    return Encoded(b"".join([head, *(data for _, data in outputs if data is not None)]), len(head))


def write_texts(texts: Sequence[str]) -> bytes:
    parts: list[bytes] = []
    for text in texts:
        data = text.encode()
        parts += LENGTH.pack(len(data)), data
    return b"".join(parts)


def decode_answer(body: bytes, json_size: bytes) -> Any:
    """An answer of ours with its binary tensors as lists; `json_size` is its header, empty when all of it is JSON."""
    if not json_size:
        return msgspec.json.decode(body)
    head, buffer = split_body(body, int(json_size))
    answer = msgspec.json.decode(head)
    for place, tensor in enumerate(answer["outputs"]):
        size = tensor.pop("parameters", {}).get(SIZE)
        if size is not None:
            found = read_items(buffer.take(size, place), tensor["datatype"], tensor["shape"], place, size)
            tensor["data"] = [text.decode() for text in found] if isinstance(found, list) else found.tolist()
    return answer
