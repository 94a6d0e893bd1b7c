"""GET over kept-alive connections: all that reading a bucket needs."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from modelserve.core.errors import StoreUnavailable
from modelserve.store.buckets.retry import Timing, Transient

BROKEN = (OSError, http.client.HTTPException)


class Answer:
    """What came back. Reading what breaks on the way is Transient."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers

    def read(self) -> bytes:
        """All that is left."""
        try:
            return self._response.read()
        except BROKEN as error:
            raise Transient("the connection broke") from error

    def read_some(self, limit: int) -> bytes:
        """What has come, at least a byte unless it has ended: to wait for as many as the limit could take for ever."""
        try:
            return self._response.read1(limit)
        except BROKEN as error:
            raise Transient("the connection broke") from error

    @property
    def ended(self) -> bool:
        return self._response.isclosed()


class Connections:
    """As many as there are requests at a time; idle ones are kept. `base` is scheme, host and port."""

    def __init__(self, base: str, timing: Timing) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise StoreUnavailable(
                "The store's address cannot be used; STORAGE_EMULATOR_HOST needs its http:// in front."
            )
        self._host = parts.netloc
        self._timing = timing
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    @contextmanager
    def get(self, target: str, headers: Mapping[str, str]) -> Iterator[Answer]:
        """The answer, to be read inside; only one that was read to its end leaves a connection that can be used again."""
        connection = self._take()
        kept = False
        try:
            answer = self._ask(connection, target, headers)
            yield answer
            kept = answer.ended
        finally:
            if kept:
                self._give(connection)
            else:
                connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, target: str, headers: Mapping[str, str]) -> Answer:
        try:
            connection.request("GET", target, headers=dict(headers))
            return Answer(connection.getresponse())
        except BROKEN as error:
            raise Transient("the connection broke") from error

    def _take(self) -> http.client.HTTPConnection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, timeout=self._timing.read, context=self._context)
        return http.client.HTTPConnection(self._host, timeout=self._timing.read)

    def _give(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.append(connection)
