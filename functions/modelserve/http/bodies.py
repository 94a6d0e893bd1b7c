"""Request bodies: read within their limit."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from modelserve.core.errors import MalformedRequest, Overloaded, TooLarge, UnsupportedMediaType
from modelserve.payloads.decode import JSON, MEDIA_TYPES

if TYPE_CHECKING:  # the decoder has no use for it
    from starlette.requests import Request

# Decoding a body of this size takes about half a millisecond; larger ones would keep other requests waiting.
INLINE_BYTES: Final = 32 << 10
# Of what is decoded here, two at a time: each takes up to 20 times its size in memory. Threads rather than a semaphore,
# because a request that ran out of time leaves its thread at work.
DECODERS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decoder")
JSON_BYTES: Final = JSON.encode()
GZIP: Final = 16 + zlib.MAX_WBITS  # that the header is gzip's

T = TypeVar("T")
Headers = Mapping[bytes, bytes]  # by their names in lower case, as the host gives them


def media_type(headers: Headers) -> str:
    """Without its parameters; JSON when the header is missing. Raises UnsupportedMediaType."""
    given = str(headers.get(b"content-type", JSON_BYTES), "latin-1")
    if given == JSON:
        return JSON
    kind, _, parameters = given.partition(";")
    kind = kind.strip().lower()
    if kind not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"Set Content-Type to one of {', '.join(MEDIA_TYPES)}.")
    charset = parameters.lower().replace('"', "").replace(" ", "")
    if "charset=" in charset and "charset=utf-8" not in charset and "charset=utf8" not in charset:
        raise UnsupportedMediaType("Only UTF-8 is taken.")
    return kind


class BodyMemory:
    """The bytes of large bodies that are in memory. One body always fits."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.bytes = 0


class MemoryShare:
    __slots__ = ("_bytes", "_memory")

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._bytes = 0

    def grow(self, size: int) -> None:
        more = size - self._bytes
        if more <= 0 or size <= INLINE_BYTES:
            return
        others = self._memory.bytes - self._bytes
        if others and others + size > self._memory.most:
            raise Overloaded(
                f"The bodies of other requests take most of the {self._memory.most} bytes there are for them."
            )
        self._memory.bytes += more
        self._bytes = size

    def __enter__(self) -> MemoryShare:
        return self

    def __exit__(self, *_: object) -> None:
        self._memory.bytes -= self._bytes


async def read_body(request: Request, headers: Headers, limit: int, share: MemoryShare | None = None) -> bytes:
    """Raises TooLarge before more than the limit is kept, compressed or not, Overloaded when other bodies leave no room, and
    UnsupportedMediaType for a body that is compressed in another way than by gzip."""
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in (b"", b"identity", b"gzip"):
        raise UnsupportedMediaType("Send the body with Content-Encoding: gzip, or without one.")
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
    data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if encoding != b"gzip":
        return data
    loop = asyncio.get_running_loop()
    unpacked = await loop.run_in_executor(DECODERS, unpack, data, limit)  # a small body may be of any length
    if share is not None:
        share.grow(len(unpacked))
    return unpacked


def unpack(data: bytes, limit: int) -> bytes:
    """What one member of gzip holds. No more than the limit is ever in memory."""
    packed = zlib.decompressobj(GZIP)
    try:
        found = packed.decompress(data, limit + 1)
    except zlib.error:
        raise MalformedRequest("The body is not valid gzip, which its Content-Encoding says.") from None
    if len(found) > limit:
        raise too_large(limit)
    if not packed.eof or packed.unused_data:
        raise MalformedRequest("The body must be one whole member of gzip, and nothing behind it.")
    return found


def too_large(limit: int) -> TooLarge:
    return TooLarge.over_limit(limit, "bytes", "MAX_REQUEST_BYTES", "The body")


async def off_loop(size: int, decode: Callable[[], T]) -> T:
    """Decode small bodies here, others on one of a few threads. A cancelled request leaves their queue, and one that
    waits takes no more memory than its bytes."""
    if size <= INLINE_BYTES:
        return decode()
    return await asyncio.get_running_loop().run_in_executor(DECODERS, decode)
