from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.errors import MalformedRequest, TooLarge
from modelserve.http.bodies import read_body
from modelserve.http.compression import compress, takes_gzip

LIMIT = 1_000_000


def read(data: bytes) -> bytes:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    made = Request({"type": "http", "headers": [(b"content-encoding", b"GZIP")]}, receive)
    return asyncio.run(read_body(made, dict(made.scope["headers"]), LIMIT))


def test_a_body_of_gzip_is_unpacked() -> None:
    assert read(gzip.compress(b"abcdef")) == b"abcdef"
    assert read(gzip.compress(bytes(LIMIT))) == bytes(LIMIT)


def test_what_comes_out_of_gzip_is_never_in_memory_beyond_the_limit() -> None:
    bomb = zlib.compressobj(9, wbits=31)
    data = b"".join([bomb.compress(bytes(1 << 20)) for _ in range(64)]) + bomb.flush()
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="more than 1,000,000 bytes, the limit that MAX_REQUEST_BYTES sets"):
            read(data)
        assert tracemalloc.get_traced_memory()[1] < 8 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"abc", "not valid gzip"),
        (gzip.compress(b"abc")[:-1], "one whole member"),
        (gzip.compress(b"abc") * 2, "one whole member"),
        (gzip.compress(b"abc") + b"x", "one whole member"),
        (b"", "one whole member"),
    ],
    ids=["not gzip", "cut off", "two members", "something behind it", "nothing"],
)
def test_a_damaged_body_of_gzip_says_so(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason):
        read(body)


@pytest.mark.parametrize(
    ("header", "taken"),
    [(b"gzip", True), (b"br, GZIP;q=0.5", True), (b"gzip;q=0", False), (b"gzip; q=0.0, br", False), (b"br", False)],
)
def test_an_answer_is_compressed_for_those_who_take_it(header: bytes, taken: bool) -> None:
    assert takes_gzip({b"accept-encoding": header}) is taken
    assert not takes_gzip({})


def test_a_compressed_answer_says_so_and_has_its_own_length() -> None:
    response = Response(b"abc" * 100, headers={"x-model-name": "churn"})
    compress(response)
    assert gzip.decompress(bytes(response.body)) == b"abc" * 100
    assert dict(response.raw_headers) == {
        b"x-model-name": b"churn",
        b"content-length": b"%d" % len(response.body),
        b"content-encoding": b"gzip",
        b"vary": b"Accept-Encoding",
    }
