"""What the server and its decoder say to each other: a body to decode, and the checked columns or the error that it comes to.

Numbers go as the bytes of their arrays. Other cells go as msgpack, which holds no code: nothing that a hostile body
makes of the decoder can make the server run anything.
"""

from __future__ import annotations

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
from modelserve.schema.extra_columns import Others
from modelserve.schema.types import Array, objects

ASK: Final = Struct("<II")  # lengths of the head and of the body
ANSWER: Final = Struct("<I")
READY: Final = b"r"  # what the decoder says first
# So many cells become Python values in about a millisecond; then other requests have their turn.
TURN_CELLS: Final = 20_000
ERRORS: Final[Mapping[str, type[ServeError]]] = {
    kind.code: kind
    for kind in (BadInput, SignatureMismatch, InvalidParams, MalformedRequest, TooLarge, UnsupportedMediaType)
}
ONE_WORD: Final = (-(1 << 63), (1 << 64) - 1)  # the integers that msgpack has


class Ask(msgspec.Struct, array_like=True, gc=False):
    """The body follows. `signature` as the MLmodel has it, in JSON; empty when the model has none."""

    kind: str
    protocol: Protocol
    signature: bytes


class Column(msgspec.Struct, array_like=True, gc=False):
    """`data` are the bytes of the array; of objects it is empty, and they stand in `cells`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytearray
    cells: msgspec.Raw


class Answer(msgspec.Struct, array_like=True, gc=False):
    columns: list[Column]
    rows: int
    others: list[str]
    params: msgspec.Raw
    method: str | None
    form: PayloadForm
    outputs: tuple[str, ...]
    own_id: str | None


class Refusal(msgspec.Struct, array_like=True, gc=False):
    code: str
    message: str
    details: list[dict[str, Any]]


class Reply(msgspec.Struct, array_like=True, gc=False):
    """Exactly one is there, unless the decoder failed; `spent` when it has no memory left."""

    answer: Answer | None = None
    refusal: Refusal | None = None
    spent: bool = False


# --- out of the decoder ---

encoder: Final = msgspec.msgpack.Encoder()
PLAIN: Final = frozenset({str, bytes, bool, float, type(None)})
NOTHING: Final = msgspec.Raw(encoder.encode(None))


def answer_of(checked: CheckedBody) -> Answer:
    payload, batch = checked.payload, checked.batch
    return Answer(
        [column_of(name, array) for name, array in batch.columns.items()],
        batch.rows,
        list(payload.table.others.names),
        raw(dict(payload.params)),
        payload.method,
        payload.form,
        payload.outputs,
        payload.own_id,
    )


def column_of(name: str, array: Array) -> Column:
    if array.dtype != object:
        return Column(name, array.dtype.str, array.shape, bytearray(array.tobytes()), NOTHING)
    cells = array.ravel().tolist() if array.ndim > 1 else list(array)
    return Column(name, "O", array.shape, bytearray(), raw(cells))


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(encoder.encode(portable(value)))


def portable(value: Any) -> Any:
    """With what msgpack does not have, or would change, as an extension."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is list:
        return value if PLAIN.issuperset(map(type, value)) else list(map(portable, value))
    if kind is dict:
        return {key: portable(item) for key, item in value.items()}
    if kind is int and ONE_WORD[0] <= value <= ONE_WORD[1]:
        return value
    for code, (known, write, _) in EXTENSIONS.items():
        if isinstance(value, known):
            return msgspec.msgpack.Ext(code, write(value))
    raise TypeError(f"a cell of the type {kind.__name__}")


def write_int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def write_delta(value: timedelta) -> bytes:
    return encoder.encode((value.days, value.seconds, value.microseconds))


def write_instant(value: np.datetime64) -> bytes:
    return str(value.astype("datetime64[ns]")).encode()


def read_tuple(data: bytes) -> Any:
    return tuple(cells_decoder.decode(data))


# By code; the first type that fits counts.
EXTENSIONS: Final[Mapping[int, tuple[type, Any, Any]]] = {
    1: (int, write_int, lambda data: int.from_bytes(data, "little", signed=True)),
    2: (tuple, lambda value: encoder.encode(list(map(portable, value))), read_tuple),
    3: (Decimal, lambda value: str(value).encode(), lambda data: Decimal(data.decode())),
    4: (datetime, lambda value: value.isoformat().encode(), lambda data: datetime.fromisoformat(data.decode())),
    5: (date, lambda value: value.isoformat().encode(), lambda data: date.fromisoformat(data.decode())),
    6: (time, lambda value: value.isoformat().encode(), lambda data: time.fromisoformat(data.decode())),
    7: (timedelta, write_delta, lambda data: timedelta(*msgspec.msgpack.decode(data))),
    8: (np.datetime64, write_instant, lambda data: np.datetime64(data.decode(), "ns")),
}  # fmt: skip


def read_extension(code: int, data: memoryview) -> Any:
    return EXTENSIONS[code][2](bytes(data))


# --- into the server ---

cells_decoder: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(ext_hook=read_extension)
reply_decoder: Final = msgspec.msgpack.Decoder(Reply)


async def checked_of(answer: Answer) -> CheckedBody:
    """Others have their turn after some thousand cells."""
    columns = {}
    cells = 0
    for column in answer.columns:
        if column.dtype == "O":
            cells += column.shape[0]
            if cells > TURN_CELLS:
                await asyncio.sleep(0)
                cells = 0
            columns[column.name] = objects(cells_decoder.decode(column.cells)).reshape(column.shape)
        else:
            columns[column.name] = np.frombuffer(column.data, column.dtype).reshape(column.shape)
    table = Table({}, answer.rows, Others(frozenset(answer.others)))
    params = cells_decoder.decode(answer.params)
    payload = Payload(table, params, answer.method, answer.form, answer.outputs, answer.own_id)
    return CheckedBody(payload, Batch(columns, answer.rows))


def error_of(refusal: Refusal) -> ServeError:
    return ERRORS[refusal.code](refusal.message, refusal.details)
