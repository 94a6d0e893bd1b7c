"""A closed loop of HTTP/1.1 requests over persistent loopback connections: each sends its next request after a full answer.

It shares no code with any server. It only counts answers, so that one core of load saturates one core of any server.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools
import uvloop

HOST = "127.0.0.1"
MAX_OVERTIME = 30.0  # seconds after the end of a run until requests without an answer count as failed
NO_ANSWER, CUT_OFF, REFUSED, UNEXPECTED = "no answer", "cut off", "refused", "unexpected answer"


@dataclass
class Load:
    """The result of one run. Latencies in seconds, in order of arrival; failures by status or by cause."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    failures: Counter[str] = field(default_factory=Counter)
    answers: list[bytes] = field(default_factory=list)
    """The last body that each connection received."""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers with status 200 per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Nearest rank: the least latency that is not exceeded by `share` (0 to 1) of the requests."""
        ordered = sorted(self.latencies)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def post(
    path: str, body: bytes, content_type: str = "application/json", headers: Mapping[str, object] | None = None
) -> bytes:
    named = {"Host": HOST, "Content-Type": content_type, "Content-Length": len(body), **(headers or {})}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def drive(port: int, request: bytes, connections: int, seconds: float = math.inf, count: int | None = None) -> Load:
    """Send `request` again and again for `seconds` or `count` times. Raises ValueError if both are missing."""
    if count is None and math.isinf(seconds):
        raise ValueError("a run needs seconds or a count")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Run(port, request, seconds, count).run(connections))


class Run:
    """The state of one run. Each slot holds one connection at a time."""

    def __init__(self, port: int, request: bytes, seconds: float, count: int | None) -> None:
        self.port = port
        self.request = request
        self.seconds = seconds
        self.left = math.inf if count is None else count
        self.end = math.inf
        self.load = Load()
        self._open: set[Connection] = set()
        self._slots = 0
        self._over = asyncio.Event()
        self._connecting: set[asyncio.Task[None]] = set()

    async def run(self, connections: int) -> Load:
        started = time.perf_counter()
        self.end = started + self.seconds
        self._slots = connections
        await asyncio.gather(*(self._connect() for _ in range(connections)))
        limit = MAX_OVERTIME + (self.seconds if math.isfinite(self.seconds) else self.left)
        try:
            await asyncio.wait_for(self._over.wait(), limit)
        except TimeoutError:
            self._abort()
        self.load.seconds = time.perf_counter() - started
        return self.load

    def start_request(self) -> bool:
        """Count one more request, and return whether it may be sent."""
        if not self._has_more():
            return False
        self.left -= 1
        return True

    def on_ready(self, connection: Connection, now: float) -> None:
        """The connection is idle, and its next request is due now."""
        connection.send(now)

    def on_closed(self, connection: Connection) -> None:
        """A server may close a connection after an answer. A new one takes its slot while there are requests to send."""
        self._open.discard(connection)
        if self._has_more():
            task = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        else:
            self._end_slot(connection)

    async def _connect(self) -> None:
        connection = Connection(self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, HOST, self.port)
            self._open.add(connection)
        except OSError:
            self.load.failures[REFUSED] += 1
            self._end_slot(connection)

    def _has_more(self) -> bool:
        return self.left > 0 and time.perf_counter() < self.end

    def _end_slot(self, connection: Connection) -> None:
        if connection.body:
            self.load.answers.append(b"".join(connection.body))
        self._slots -= 1
        if not self._slots:
            self._over.set()

    def _abort(self) -> None:
        self.left = 0
        for connection in self._open:
            connection.abort()
        self.load.failures[NO_ANSWER] += self._slots


class Connection(asyncio.Protocol):
    """Sends one request at a time. `body` belongs to the last answer."""

    def __init__(self, run: Run) -> None:
        self.body: list[bytes] = []
        self._run = run
        self._sent = time.perf_counter()  # the time to connect counts, because the server made it necessary
        self._waiting = False
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport is not a subclass
        self._run.on_ready(self, self._sent)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting:
            self._run.load.failures[CUT_OFF] += 1
        self._run.on_closed(self)

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def send(self, now: float) -> None:
        """Send a request that was due at `now`, or close the connection if nothing is left to send."""
        if self._transport is None:
            return
        if not self._run.start_request():
            self._transport.close()
            return
        self._sent, self._waiting = now, True
        self.body = []
        self._transport.write(self._run.request)

    # --- called by the parser ---

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        if not self._waiting:
            self._run.load.failures[UNEXPECTED] += 1
            return
        self._waiting = False
        status = self._parser.get_status_code()
        if status == 200:
            self._run.load.latencies.append(now - self._sent)
        else:
            self._run.load.failures[f"status {status}"] += 1
        if self._parser.should_keep_alive():
            self._run.on_ready(self, now)
        elif self._transport:
            self._transport.close()
