"""Request bodies: read within their limit, and decoded by their media type."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from modelserve.core.errors import MalformedRequest, Overloaded, TooLarge, UnsupportedMediaType
from modelserve.payloads import Limits, Payload, oip_v2, tables
from modelserve.payloads import json as strict_json
from modelserve.payloads import mlflow as invocations
from modelserve.payloads import records as plain
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature, check_table

if TYPE_CHECKING:  # the decoder has no use for it
    from starlette.requests import Request

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
TAKEN: Final = (JSON, CSV, PARQUET)
# What JSON stands for: records beside the forms that name themselves, these forms only, or tensors of V2.
RECORDS, FORMS, V2 = "records", "forms", "v2"

# Decoding a body of this size takes about half a millisecond; larger ones would keep other requests waiting.
INLINE_BYTES: Final = 32 << 10
# Of what is decoded here, two at a time: each takes up to 20 times its size in memory. Threads rather than a semaphore,
# because a request that ran out of time leaves its thread at work.
DECODERS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decoder")

T = TypeVar("T")
Headers = Mapping[bytes, bytes]
"""By their names in lower case, as the host gives them."""


def header(headers: Headers, name: bytes, otherwise: str = "") -> str:
    value = headers.get(name)
    return otherwise if value is None else str(value, "latin-1")


def media_type(headers: Headers) -> str:
    """Without its parameters; JSON when the header is missing. Raises UnsupportedMediaType."""
    given = header(headers, b"content-type", JSON)
    if given == JSON:
        return JSON
    kind, _, parameters = given.partition(";")
    kind = kind.strip().lower()
    if kind not in TAKEN:
        raise UnsupportedMediaType(f"Set Content-Type to one of {', '.join(TAKEN)}.")
    charset = parameters.lower().replace('"', "").replace(" ", "")
    if "charset=" in charset and "charset=utf-8" not in charset and "charset=utf8" not in charset:
        raise UnsupportedMediaType("Only UTF-8 is taken.")
    return kind


class Held:
    """The bytes of large bodies that are in memory. One body always fits."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.bytes = 0


class Share:
    """What one request has of them, until its `async with` ends."""

    __slots__ = ("_bytes", "_held")

    def __init__(self, held: Held) -> None:
        self._held = held
        self._bytes = 0

    def grow(self, size: int) -> None:
        """To at least `size`. Raises Overloaded."""
        more = size - self._bytes
        if more <= 0 or size <= INLINE_BYTES:
            return
        others = self._held.bytes - self._bytes
        if others and others + size > self._held.most:
            raise Overloaded(
                f"The bodies of other requests take most of the {self._held.most} bytes there are for them."
            )
        self._held.bytes += more
        self._bytes = size

    async def __aenter__(self) -> Share:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._held.bytes -= self._bytes


async def read_body(request: Request, headers: Headers, limit: int, share: Share | None = None) -> bytes:
    """Raises TooLarge as soon as the length is known, and before more than the limit is kept; Overloaded when the others
    leave no room for it; UnsupportedMediaType for a compressed body, which could unpack to any length."""
    if header(headers, b"content-encoding").strip().lower() not in ("identity", ""):
        raise UnsupportedMediaType("Send the body without Content-Encoding; it is not unpacked here.")
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise too_large(limit)
    if share is not None and announced.isdigit():
        share.grow(int(announced))
    chunks = []
    size = 0
    more = True
    while more:  # what request.stream() does, without a generator
        message = await request.receive()
        if message["type"] == "http.disconnect":
            from starlette.requests import ClientDisconnect

            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        if share is not None:
            share.grow(size)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the limit of {limit} bytes; use `modelserve score` for a batch.")


def decode_body(data: bytes, kind: str, signature: Signature | None, limits: Limits, records: bool) -> Payload:
    """`records` says whether plain records are taken beside the forms that name themselves."""
    if kind == CSV:
        from modelserve.payloads import csv as text_csv

        return text_csv.parse(data, signature, limits)
    if kind == PARQUET:
        from modelserve.payloads import parquet

        return parquet.parse(data, signature, limits)
    if not data:
        raise MalformedRequest("The body is empty.")
    value = decode_json(data, limits)
    if records and not invocations.is_form(value, signature):
        return plain.parse(value, signature, limits)
    return invocations.parse(value, signature, limits)


def decode_json(data: bytes, limits: Limits) -> Any:
    tables.check_cells(strict_json.count_values(data, limits.cells), limits)
    return strict_json.decode(data, limits.depth)


@dataclass(frozen=True, slots=True)
class CheckedBody:
    """A payload without its cells, which take many times the memory of the checked columns."""

    payload: Payload
    batch: Batch
    outputs: list[str] = field(default_factory=list)
    """Of V2: those asked for."""
    own_id: str | None = None
    """Of V2: the caller's name for the request."""


def check_body(data: bytes, kind: str, form: str, signature: Signature | None, limits: Limits) -> CheckedBody:
    """From bytes to checked columns. Raises BadInput."""
    outputs: list[str] = []
    own_id = None
    if form == V2:
        value = decode_json(data, limits)
        payload, outputs = oip_v2.parse(value, signature, limits)
        own_id = value["id"] if type(value.get("id")) is str else None
    else:
        payload = decode_body(data, kind, signature, limits, records=form == RECORDS)
    batch = check_table(payload.table, signature)
    return CheckedBody(payload.without_cells(), batch, outputs, own_id)


async def off_loop(size: int, decode: Callable[[], T]) -> T:
    """Decode here when it is quick, else on one of a few other threads. A request that is given up leaves their queue,
    and while one is decoded the others keep no more than their bytes."""
    if size <= INLINE_BYTES:
        return decode()
    return await asyncio.get_running_loop().run_in_executor(DECODERS, decode)
