"""The push client against a server that answers with scripted bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from modelserve_control.local.pubsub.push.poster import Poster, PushFailed


class Script:
    """One answer per request; an empty one closes the connection instead."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if not answer:
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def poster_for(script: Script) -> AsyncIterator[Poster]:
    server = await asyncio.start_server(script, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    poster = Poster(f"http://127.0.0.1:{port}/path?query=1")
    try:
        yield poster
    finally:
        poster.close()
        server.close()
        await server.wait_closed()


def statuses(script: Script, count: int) -> list[int | str]:
    """Of so many requests, one after the other; what went wrong as its words."""

    async def run() -> list[int | str]:
        found: list[int | str] = []
        async with asyncio.timeout(30), poster_for(script) as poster:
            for _ in range(count):
                try:
                    found.append(await poster.post([("A", "b")], b"body"))
                except PushFailed as error:
                    found.append(str(error))
        return found

    return asyncio.run(run())


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def test_a_request_is_what_http_says() -> None:
    script = Script(NO_CONTENT)
    assert statuses(script, 1) == [204]
    assert script.requests[0].startswith(b"POST /path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert script.requests[0].endswith(b"\r\nA: b\r\nContent-Length: 4\r\n\r\nbody")


def test_a_connection_is_used_again() -> None:
    script = Script(NO_CONTENT, b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\nno", NO_CONTENT)
    assert statuses(script, 3) == [204, 500, 204]
    assert script.connections == 1


def test_a_connection_that_the_answer_ends_is_not_used_again() -> None:
    script = Script(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", NO_CONTENT)
    assert statuses(script, 2) == [200, 204]
    assert script.connections == 2


def test_102_is_an_answer_and_100_is_not() -> None:
    script = Script(b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" + NO_CONTENT)
    assert statuses(script, 2) == [102, 204]


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"", "it closed the connection without an answer"), (b"SSH-2.0\r\n", "it answered something other than HTTP")],
)
def test_what_is_no_answer_fails_and_the_next_request_goes_on(answer: bytes, words: str) -> None:
    assert statuses(Script(answer, NO_CONTENT), 2) == [words, 204]


def test_an_address_where_nobody_listens_fails() -> None:
    with pytest.raises(PushFailed, match="no connection to 127"):
        asyncio.run(Poster("http://127.0.0.1:1/").post([], b""))
