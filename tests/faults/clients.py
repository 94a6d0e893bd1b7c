"""Clients that speak HTTP byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from serving import Served

GET: Final = b"GET /health/live HTTP/1.1\r\nhost: a\r\n"
POST: Final = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


@contextmanager
def connected(served: Served, sent: bytes = b"", receives: int | None = None) -> Iterator[socket.socket]:
    """`receives`: how many bytes the system keeps for a client that does not read."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.socket() as connection:
        connection.settimeout(60)
        if receives is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        connection.connect((host, int(port)))
        connection.sendall(sent)
        yield connection


def read(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    chunks = []
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            chunks.append(chunk)
    return b"".join(chunks)
