"""A closed loop of HTTP/1.1 requests over kept-open loopback connections: each sends the next when its answer is whole.

It shares no code with any server and does nothing per request but count, so that one core of it outruns one core of them.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import httptools
import uvloop

HOST = "127.0.0.1"
LONGEST = 30.0  # seconds that a run may take beyond its time before what is unanswered counts as failed
NO_ANSWER, CUT_OFF, REFUSED, UNASKED = "no answer", "cut off", "refused", "answer that nobody asked for"


@dataclass
class Load:
    """What one run saw. Latencies in seconds, in order of arrival; failures by status or by what happened."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    failures: Counter[str] = field(default_factory=Counter)
    answers: list[bytes] = field(default_factory=list)
    """The last body of every connection, to be checked after the run."""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Exact, by nearest rank: the least latency that `share` (0 to 1) of the requests did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def post(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """A whole request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(port: int, request: bytes, connections: int, seconds: float = math.inf, count: int | None = None) -> Load:
    """`request` again and again until `seconds` are over or it was sent `count` times; one of them must be given."""
    if count is None and math.isinf(seconds):
        raise ValueError("a run needs seconds or a count")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Run(port, request, seconds, count).go(connections))


class Run:
    """One run's state. Each of `connections` slots holds one connection at a time."""

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

    async def go(self, connections: int) -> Load:
        started = time.perf_counter()
        self.end = started + self.seconds
        self._slots = connections
        await asyncio.gather(*(self._connect() for _ in range(connections)))
        limit = LONGEST + (self.seconds if math.isfinite(self.seconds) else self.left)
        try:
            await asyncio.wait_for(self._over.wait(), limit)
        except TimeoutError:
            self._abort()
        self.load.seconds = time.perf_counter() - started
        return self.load

    def take(self) -> bool:
        """Whether one more request may be sent."""
        if not self._more():
            return False
        self.left -= 1
        return True

    def ready(self, connection: Connection, now: float) -> None:
        """It has no request on its way; the next one is due now."""
        connection.send(now)

    def closed(self, connection: Connection) -> None:
        """A server may close after an answer; then a new connection takes the slot while there is more to send."""
        self._open.discard(connection)
        if self._more():
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

    def _more(self) -> bool:
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
    """One request at a time. `body` is the last answer's."""

    def __init__(self, run: Run) -> None:
        self.body: list[bytes] = []
        self._run = run
        self._sent = time.perf_counter()  # a server that makes its clients connect again pays for it
        self._waiting = False
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._run.ready(self, self._sent)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting:
            self._run.load.failures[CUT_OFF] += 1
        self._run.closed(self)

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def send(self, now: float) -> None:
        """What is due since `now`; or close, when nothing is left."""
        if self._transport is None:
            return
        if not self._run.take():
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
            self._run.load.failures[UNASKED] += 1
            return
        self._waiting = False
        status = self._parser.get_status_code()
        if status == 200:
            self._run.load.latencies.append(now - self._sent)
        else:
            self._run.load.failures[f"status {status}"] += 1
        if self._parser.should_keep_alive():
            self._run.ready(self, now)
        elif self._transport:
            self._transport.close()
