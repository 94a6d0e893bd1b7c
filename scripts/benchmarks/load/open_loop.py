"""An open loop: a fixed number of requests per second, independent of how long the answers take.

The latency of a request counts from the time when it is due, even if all connections still wait for earlier answers.
A closed loop shows the capacity of a server; an open loop shows the latency that its clients see.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import uvloop

from benchmarks.load.closed_loop import Connection, Load, Run


def drive_at(port: int, request: bytes, connections: int, seconds: float, rate: float) -> Load:
    """Send `rate` requests per second for `seconds`. It polls the clock without pause, because timers fire too late."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(PacedRun(port, request, seconds, rate).run(connections))


class PacedRun(Run):
    def __init__(self, port: int, request: bytes, seconds: float, rate: float) -> None:
        super().__init__(port, request, seconds, None)
        self.interval = 1 / rate
        self._due = 0.0
        self._idle: deque[Connection] = deque()

    def on_ready(self, connection: Connection, now: float) -> None:
        self._idle.append(connection)
        if not self._due:  # the first connection of the run
            self._due = now
            self._send_due()

    def on_closed(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        super().on_closed(connection)

    def _send_due(self) -> None:
        now = time.perf_counter()
        while self._idle and self._due <= now:
            self._idle.popleft().send(self._due)
            self._due += self.interval
        if self._slots:
            asyncio.get_running_loop().call_soon(self._send_due)
