"""GET over keep-alive connections, which is all that reading a bucket needs."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any
from urllib.parse import SplitResult, urlsplit

from modelserve.core.errors import StoreUnavailable
from modelserve.store.buckets.retry import Timing, Transient


@contextmanager
def as_transient() -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise Transient("the connection broke") from error


class CompleteHeaders(HTTPResponse):
    """The library takes a connection that is closed inside the headers for the end of the headers."""

    def begin(self) -> None:
        body: Any = self.fp
        lines: Any = HeaderLines(body)
        self.fp = lines
        try:
            super().begin()
        finally:
            if self.fp is lines:
                self.fp = body
        if not lines.complete:
            raise http.client.RemoteDisconnected("closed inside the headers")


class HeaderLines:
    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.complete = False
        self.close = sock.close

    def readline(self, limit: int) -> bytes:
        line: bytes = self._sock.readline(limit)
        self.complete = line in (b"\r\n", b"\n")
        return line


def read_some(response: HTTPResponse, limit: int) -> bytes:
    """What has arrived, at most `limit` bytes; empty at the end. Waiting for `limit` bytes could take forever."""
    with as_transient():
        return response.read1(limit)


def read_rest(response: HTTPResponse) -> bytes:
    with as_transient():
        return response.read()


class Connections:
    """One for each concurrent request; idle ones are kept. `base` is scheme, host and port."""

    def __init__(self, base: str, timing: Timing) -> None:
        parts = split_address(base)
        self._host = parts.netloc
        self._timing = timing
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    @contextmanager
    def get(self, target: str, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
        """The response, to be read within the block. Its connection is kept only if it was read completely."""
        connection = self._checkout()
        reusable = False
        try:
            with as_transient():
                connection.request("GET", target, headers=dict(headers))
                response = connection.getresponse()
            yield response
            reusable = response.isclosed()
        finally:
            if reusable:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _checkout(self) -> http.client.HTTPConnection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = (
            http.client.HTTPConnection(self._host, timeout=self._timing.read)
            if self._context is None
            else http.client.HTTPSConnection(self._host, timeout=self._timing.read, context=self._context)
        )
        connection.response_class = CompleteHeaders
        return connection


def split_address(base: str) -> SplitResult:
    parts = urlsplit(base)
    try:
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        valid = False
    if not valid:
        raise StoreUnavailable("The store's address is invalid; STORAGE_EMULATOR_HOST must begin with http://.")
    return parts


def reach(base: str, seconds: float) -> None:
    """Raises StoreUnavailable, which names the address, unless it takes a connection in time."""
    parts = split_address(base)
    address = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    outcome: list[OSError | None] = []

    def connect() -> None:
        try:
            socket.create_connection(address, seconds).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(error)

    # On a thread, since nothing bounds how long a name is looked up.
    thread = threading.Thread(target=connect, name="reach", daemon=True)
    thread.start()
    thread.join(seconds)
    error = outcome[0] if outcome else TimeoutError()
    if error is not None:
        reason = error.strerror or f"no connection within {seconds:g} s"
        raise StoreUnavailable(f"The store at {base} cannot be reached: {reason}.") from error
