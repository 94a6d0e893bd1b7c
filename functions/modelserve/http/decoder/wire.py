"""The messages between the server and its decoder: a body to decode, and its checked columns or its error.

Numbers are sent as the bytes of arrays, other cells as msgpack, which cannot contain code.
"""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from struct import Struct
from typing import Any, Final

import msgspec
import numpy as np

from modelserve.core.errors import (
    BadInput,
    InvalidParams,
    MalformedRequest,
    ServeError,
    SignatureMismatch,
    TooLarge,
    UnsupportedMediaType,
)
from modelserve.payloads import Payload, PayloadForm
from modelserve.payloads.decode import CheckedBody, Protocol
from modelserve.schema.batch import Batch, Table
from modelserve.schema.extra_columns import ExtraColumns
from modelserve.schema.texts import Words
from modelserve.schema.types import Array, objects

ASK: Final = Struct("<II")  # lengths of the head and of the body
ANSWER: Final = Struct("<I")
READ_BYTES: Final = 64 << 10  # as many come with one call of the system
READY: Final = b"r"  # what the decoder says first
# So many cells become Python values in about a millisecond; then other requests run.
CELLS_PER_TURN: Final = 20_000
ERRORS: Final[Mapping[str, type[ServeError]]] = {
    kind.code: kind
    for kind in (BadInput, SignatureMismatch, InvalidParams, MalformedRequest, TooLarge, UnsupportedMediaType)
}
PLACES: Final = np.dtype("<i4")
MSGPACK_INTEGERS: Final = (-(1 << 63), (1 << 64) - 1)  # the integers that msgpack has


class DecodeRequest(msgspec.Struct, array_like=True, gc=False):
    """The body follows. `signature` as the MLmodel has it, in JSON; empty when the model has none."""

    kind: str
    protocol: Protocol
    signature: bytes


class Column(msgspec.Struct, array_like=True, gc=False):
    """`data` has the bytes of the array. Objects are in `cells`. A column of `words` has their places in `data`, and
    no dtype."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytearray
    cells: msgspec.Raw
    words: list[str] = []


class Decoded(msgspec.Struct, array_like=True, gc=False):
    columns: list[Column]
    fits: bool  # whether a double keeps each number of them
    rows: int
    others: list[str]
    params: msgspec.Raw
    method: str | None
    form: PayloadForm
    outputs: tuple[str, ...]
    own_id: str | None
    binary: tuple[bool, ...]
    names: tuple[str, ...]


class Refusal(msgspec.Struct, array_like=True, gc=False):
    code: str
    message: str
    details: list[dict[str, Any]]


class Outcome(msgspec.Struct, array_like=True, gc=False):
    """Has exactly one, unless the decoder failed. `spent`: it has no memory left."""

    decoded: Decoded | None = None
    refusal: Refusal | None = None
    spent: bool = False


encoder: Final = msgspec.msgpack.Encoder()
PLAIN: Final = frozenset({str, bytes, bool, float, type(None)})
NULL: Final = msgspec.Raw(encoder.encode(None))


def encode_checked(checked: CheckedBody) -> Decoded:
    payload, batch = checked.payload, checked.batch
    # Lists of Python values go as the arrays that these come to.
    fits = batch.cells is not None and all(isinstance(cells, np.ndarray | Words) for cells in batch.cells.values())
    columns: Mapping[str, Any] = batch.cells if fits and batch.cells is not None else batch.columns
    return Decoded(
        [encode_column(name, cells) for name, cells in columns.items()],
        fits,
        batch.rows,
        list(payload.table.others.names),
        encode_cells(dict(payload.params)),
        payload.method,
        payload.form,
        payload.outputs,
        payload.own_id,
        payload.binary,
        batch.names,
    )


def encode_column(name: str, array: Array | Words) -> Column:
    if isinstance(array, Words):
        return Column(name, "", (), bytearray(array.places), NULL, array.words)
    if array.dtype != object:
        return Column(name, array.dtype.str, array.shape, bytearray(array.tobytes()), NULL)
    cells = array.ravel().tolist() if array.ndim > 1 else list(array)
    return Column(name, "O", array.shape, bytearray(), encode_cells(cells))


def encode_cells(value: Any) -> msgspec.Raw:
    return msgspec.Raw(encoder.encode(to_msgpack(value)))


def to_msgpack(value: Any) -> Any:
    """Values that msgpack does not have, or would change, become extensions."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is list:
        return value if PLAIN.issuperset(map(type, value)) else list(map(to_msgpack, value))
    if kind is dict:
        return {key: to_msgpack(item) for key, item in value.items()}
    if kind is int and MSGPACK_INTEGERS[0] <= value <= MSGPACK_INTEGERS[1]:
        return value
    for code, (known, write, _) in EXTENSIONS.items():
        if isinstance(value, known):
            return msgspec.msgpack.Ext(code, write(value))
    raise TypeError(f"a cell of the type {kind.__name__}")


# By code; the first type that fits counts.
EXTENSIONS: Final[Mapping[int, tuple[type, Any, Any]]] = {
    1: (int, lambda value: value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True), lambda data: int.from_bytes(data, "little", signed=True)),
    2: (tuple, lambda value: encoder.encode(list(map(to_msgpack, value))), lambda data: tuple(cells_decoder.decode(data))),
    3: (Decimal, lambda value: str(value).encode(), lambda data: Decimal(data.decode())),
    4: (datetime, lambda value: value.isoformat().encode(), lambda data: datetime.fromisoformat(data.decode())),
    5: (date, lambda value: value.isoformat().encode(), lambda data: date.fromisoformat(data.decode())),
    6: (time, lambda value: value.isoformat().encode(), lambda data: time.fromisoformat(data.decode())),
    7: (timedelta, lambda value: encoder.encode((value.days, value.seconds, value.microseconds)), lambda data: timedelta(*msgspec.msgpack.decode(data))),
    8: (np.datetime64, lambda value: str(value.astype("datetime64[ns]")).encode(), lambda data: np.datetime64(data.decode(), "ns")),
}  # fmt: skip


cells_decoder: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(
    ext_hook=lambda code, data: EXTENSIONS[code][2](bytes(data))
)
outcome_decoder: Final = msgspec.msgpack.Decoder(Outcome)


async def restore_checked(decoded: Decoded) -> CheckedBody:
    """Yields to other requests after some thousand cells."""
    columns: dict[str, Any] = {}
    cells = 0
    for column in decoded.columns:
        if column.words:
            columns[column.name] = Words(column.words, np.frombuffer(column.data, PLACES))
        elif column.dtype == "O":
            cells += column.shape[0]
            if cells > CELLS_PER_TURN:
                await asyncio.sleep(0)
                cells = 0
            columns[column.name] = objects(cells_decoder.decode(column.cells)).reshape(column.shape)
        else:
            columns[column.name] = np.frombuffer(column.data, column.dtype).reshape(column.shape)
    table = Table({}, decoded.rows, ExtraColumns(frozenset(decoded.others)))
    params = cells_decoder.decode(decoded.params)
    payload = Payload(table, params, decoded.method, decoded.form, decoded.outputs, decoded.own_id, decoded.binary)
    if not decoded.fits:
        return CheckedBody(payload, Batch(columns, decoded.rows, decoded.names))
    batch = Batch.of_cells(columns, decoded.rows, lambda: {name: np.asarray(cells) for name, cells in columns.items()})
    return CheckedBody(payload, batch)


def restore_error(refusal: Refusal) -> ServeError:
    return ERRORS[refusal.code](refusal.message, refusal.details)
