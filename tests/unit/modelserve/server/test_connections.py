"""What is closed at the end of a drain, and what is not: one server on the loop of the test, and real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from modelserve.core.settings import Settings
from modelserve.server.connections import QUIET_SECONDS
from modelserve.server.container import Server
from tiny import WAIT_SECONDS

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Server, int]]:
    server = Server(application, Settings.from_environ({"HOST": "127.0.0.1"}))
    server.config.port = 0
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        async with asyncio.timeout(WAIT_SECONDS):
            await serving


def answer(client: socket.socket) -> bytes:
    client.settimeout(WAIT_SECONDS)
    chunks = []
    while chunk := client.recv(65_536):
        chunks.append(chunk)
    return b"".join(chunks)


def test_a_connection_that_nobody_has_accepted_yet_is_answered() -> None:
    async def run() -> bytes:
        async with listening() as (server, port):
            with socket.create_connection(("127.0.0.1", port)) as client:  # nothing here lets the loop accept it
                client.sendall(REQUEST)
                await server.shutdown()
                return await asyncio.to_thread(answer, client)

    assert asyncio.run(run()).endswith(b"\r\n\r\nok")


@pytest.mark.parametrize(("sent", "closed"), [(REQUEST, False), (b"", True)], ids=["a request", "nothing"])
def test_an_idle_connection_is_closed_unless_its_next_request_has_arrived(sent: bytes, closed: bool) -> None:
    async def run() -> bool:
        async with listening() as (server, port):
            with socket.create_connection(("127.0.0.1", port)) as client:
                while not server.bounds.open:
                    await asyncio.sleep(0.001)
                (connection,) = server.bounds.open
                connection.since -= QUIET_SECONDS
                client.sendall(sent)  # nothing here lets the loop read it
                connection.shutdown()
                return connection.transport.is_closing()

    assert asyncio.run(run()) is closed


def test_a_client_that_has_just_connected_may_be_sending() -> None:
    async def run() -> bool:
        async with listening() as (server, port):
            with socket.create_connection(("127.0.0.1", port)):
                while not server.bounds.open:
                    await asyncio.sleep(0.001)
                (connection,) = server.bounds.open
                connection.since = connection.loop.time()
                connection.shutdown()
                return connection.transport.is_closing()

    assert asyncio.run(run()) is False


@pytest.mark.parametrize(("more", "closed"), [(-10, False), (1, True)])
def test_a_connection_that_is_idle_for_too_long_is_closed(more: int, closed: bool) -> None:
    async def run() -> bool:
        async with listening() as (server, port):
            with socket.create_connection(("127.0.0.1", port)):
                while not server.bounds.open:
                    await asyncio.sleep(0.001)
                (connection,) = server.bounds.open
                connection.since = connection.loop.time() - server.bounds.idle_seconds - more
                server.bounds.sweep()
                return connection.transport.is_closing()

    assert asyncio.run(run()) is closed
