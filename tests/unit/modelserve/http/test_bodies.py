from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from starlette.requests import Request

from modelserve.core.errors import MalformedRequest, Overloaded, TooLarge, UnsupportedMediaType
from modelserve.http import bodies
from modelserve.payloads import Limits, PayloadForm
from modelserve.payloads.decode import CSV, JSON, PARQUET, BodyDecoder, Protocol, decode_body
from signatures import LIMITS, signature


def request(headers: dict[str, str], chunks: Sequence[bytes] = ()) -> tuple[Request, list[bytes]]:
    """A request as an ASGI server gives it, and what of its body has not been asked for yet."""
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0) if left else b"", "more_body": bool(left)}

    return Request({"type": "http", "headers": list(raw(headers).items())}, receive), left


def read(made: Request) -> bytes:
    """With a limit of 6 bytes."""
    return asyncio.run(bodies.read_body(made, dict(made.scope["headers"]), 6))


def raw(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (None, JSON),
        ("application/json", JSON),
        ("Application/JSON; charset=UTF-8", JSON),
        ('application/json; charset="utf8"', JSON),
        ("text/csv; header=present", CSV),
        ("application/vnd.apache.parquet", PARQUET),
    ],
)
def test_the_media_type_is_read_without_its_parameters(header: str | None, kind: str) -> None:
    assert bodies.media_type(raw({"content-type": header} if header else {})) == kind


@pytest.mark.parametrize(
    "header", ["", "text/plain", "application/json; charset=latin-1", "multipart/form-data; boundary=x"]
)
def test_other_media_types_and_charsets_are_not_taken(header: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        bodies.media_type(raw({"content-type": header}))


@pytest.mark.parametrize("headers", [{}, {"content-length": "6"}, {"content-length": "nonsense"}])
def test_a_body_within_its_limit_is_read_whole(headers: dict[str, str]) -> None:
    made, _ = request(headers, [b"abc", b"", b"def"])
    assert read(made) == b"abcdef"


def test_a_body_that_announces_too_much_is_not_read_at_all() -> None:
    made, left = request({"content-length": "7"}, [b"abcdefg"])
    with pytest.raises(
        TooLarge, match="more than 6 bytes, the limit that MAX_REQUEST_BYTES sets; use `modelserve score`"
    ):
        read(made)
    assert left == [b"abcdefg"]


def test_a_body_in_chunks_is_left_at_its_limit() -> None:
    made, left = request({}, [b"abcd"] * 5)
    with pytest.raises(TooLarge):
        read(made)
    assert len(left) == 3


@pytest.mark.parametrize("encoding", ["deflate", "br", "identity, gzip"])
def test_a_body_compressed_in_another_way_than_by_gzip_is_not_taken(encoding: str) -> None:
    made, left = request({"content-encoding": encoding}, [b"abc"])
    with pytest.raises(UnsupportedMediaType, match="Content-Encoding: gzip, or without one"):
        read(made)
    assert left == [b"abc"]
    assert read(request({"content-encoding": "Identity"}, [b"abc"])[0]) == b"abc"


def test_plain_records_are_taken_only_where_they_are_meant() -> None:
    known = signature(a="long")
    assert decode_body(b'{"a": 1}', JSON, Protocol.PREDICT, known, LIMITS).form is not PayloadForm.INVOCATION
    with pytest.raises(MalformedRequest, match="exactly one of"):
        decode_body(b'{"a": 1}', JSON, Protocol.INVOCATIONS, known, LIMITS)
    assert decode_body(b'{"inputs": {"a": [1]}}', JSON, Protocol.PREDICT, known, LIMITS).form is PayloadForm.INVOCATION
    assert decode_body(b"a\n1\n", CSV, Protocol.PREDICT, known, LIMITS).form is PayloadForm.INVOCATION


@pytest.mark.parametrize(("kind", "message"), [(JSON, "The body is empty."), (PARQUET, "not a readable Parquet")])
def test_an_empty_body_is_malformed(kind: str, message: str) -> None:
    with pytest.raises(MalformedRequest, match=message):
        decode_body(b"", kind, Protocol.PREDICT, None, LIMITS)


def test_only_large_bodies_are_decoded_on_another_thread() -> None:
    here = threading.get_ident()
    assert asyncio.run(bodies.off_loop(bodies.INLINE_BYTES, threading.get_ident)) == here
    assert asyncio.run(bodies.off_loop(bodies.INLINE_BYTES + 1, threading.get_ident)) != here


def test_two_large_bodies_are_decoded_at_once_and_no_third() -> None:
    two, gate, most = threading.Barrier(3, timeout=30), threading.Event(), []
    working: set[int] = set()

    def decode(place: int) -> None:
        working.add(place)
        most.append(len(working))
        if place < 2:
            two.wait()
        gate.wait(30)
        working.discard(place)

    async def six() -> None:
        waiting = [asyncio.create_task(bodies.off_loop(bodies.INLINE_BYTES + 1, partial(decode, n))) for n in range(6)]
        await asyncio.to_thread(two.wait)
        gate.set()
        await asyncio.gather(*waiting)

    asyncio.run(six())
    assert (len(most), max(most)) == (6, 2)


def test_large_bodies_share_what_there_is_and_give_it_back() -> None:
    held = bodies.BodyMemory(100_000)
    with bodies.MemoryShare(held) as first, bodies.MemoryShare(held) as second:
        first.grow(40_000)
        first.grow(60_000)
        with pytest.raises(Overloaded, match="100000 bytes"):
            second.grow(40_001)
        second.grow(40_000)
        assert held.bytes == 100_000
    assert held.bytes == 0


def test_one_body_always_fits_and_small_ones_are_not_counted() -> None:
    held = bodies.BodyMemory(1)
    bodies.MemoryShare(held).grow(1 << 20)
    bodies.MemoryShare(held).grow(bodies.INLINE_BYTES)
    assert held.bytes == 1 << 20


@pytest.mark.parametrize("announced", [False, True])
def test_a_body_that_finds_no_room_is_not_read(announced: bool) -> None:
    held = bodies.BodyMemory(100_000)
    made, left = request({"content-length": "90000"} if announced else {}, [b"x" * 30_000] * 3)
    bodies.MemoryShare(held).grow(50_000)
    with pytest.raises(Overloaded):
        asyncio.run(bodies.read_body(made, dict(made.scope["headers"]), 1 << 20, bodies.MemoryShare(held)))
    assert len(left) == (3 if announced else 1)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'[{"a": 1}, {"b": 1}, {"c": 1}]', JSON),
        (b'{"a": [[1], [2], [3], [4]]}', JSON),
        (b"a,b\n1,2\n3,4\n5,6\n", CSV),
    ],
    ids=["columns that the rows have together", "nested", "csv"],
)
def test_more_cells_than_the_limit_are_not_made(data: bytes, kind: str) -> None:
    few = Limits(rows=10, columns=10, depth=10, cells=7)
    with pytest.raises(TooLarge, match="more than 7 values, the limit that MAX_CELLS sets"):
        BodyDecoder(None, few).decode(data, kind, Protocol.PREDICT)
