"""POST over kept-alive HTTP/1.1 connections, with little work per request: there are thousands a second."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

import httptools


class PushFailed(Exception):
    """The endpoint refused the connection, closed it, or did not answer in HTTP."""


class Poster:
    """For one endpoint. Each request in flight has its own connection; idle ones are kept."""

    def __init__(self, endpoint: str) -> None:
        url = urlsplit(endpoint)
        self._secure = url.scheme == "https"
        self._host = url.hostname or ""
        self._port = url.port or (443 if self._secure else 80)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._head = f"POST {target} HTTP/1.1\r\nHost: {url.netloc.rpartition('@')[2]}\r\n".encode("ascii", "replace")
        self._idle: list[Connection] = []

    async def post(self, headers: Sequence[tuple[str, str]], body: bytes) -> int:
        """The status. An idle connection that the endpoint has closed is replaced; nothing is sent twice."""
        connection = await self._connect()
        try:
            status = await connection.ask(self._request(headers, body))
        except BaseException:
            connection.close()
            raise
        if connection.open:
            self._idle.append(connection)
        return status

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _connect(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        context = ssl.create_default_context() if self._secure else None
        try:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(Connection, self._host, self._port, ssl=context)
        except OSError as error:
            raise PushFailed(f"no connection to {self._host}:{self._port}: {error}") from error
        return connection

    def _request(self, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, lines.encode(), len(body), body)


class Connection(asyncio.Protocol):
    """One request at a time. 102 Processing is an answer: Pub/Sub counts it as an ack."""

    def __init__(self) -> None:
        self.open = False
        self._transport: asyncio.BaseTransport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._parser = httptools.HttpResponseParser(self)

    async def ask(self, request: bytes) -> int:
        self._answer = asyncio.get_running_loop().create_future()
        cast(asyncio.WriteTransport, self._transport).write(request)
        return await self._answer

    def close(self) -> None:
        self.open = False
        if self._transport:
            self._transport.close()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("it answered something other than HTTP")

    def connection_lost(self, error: Exception | None) -> None:
        self._fail("it closed the connection without an answer")

    # --- httptools ---

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 100:
            return
        # After 102 the final answer follows on this connection and would be taken for that of the next request.
        if status < 200 or not self._parser.should_keep_alive():
            self.close()
        if self._answer and not self._answer.done():
            self._answer.set_result(status)

    def _fail(self, reason: str) -> None:
        self.close()
        if self._answer and not self._answer.done():
            self._answer.set_exception(PushFailed(reason))
