"""An open loop: so many requests a second, however long the answers take.

Each is due at its time, and its latency counts from there: what waits for a connection that still waits for an answer
has waited for the server. A closed loop at saturation shows what a server can do; this shows what its clients see.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import uvloop

from benchmarks.load import Connection, Load, Run


def drive_at(port: int, request: bytes, connections: int, seconds: float, rate: float) -> Load:
    """`rate` requests a second for `seconds`. Keeps its processor busy meanwhile: a timer would come too late."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Paced(port, request, seconds, rate).go(connections))


class Paced(Run):
    def __init__(self, port: int, request: bytes, seconds: float, rate: float) -> None:
        super().__init__(port, request, seconds, None)
        self.interval = 1 / rate
        self._due = 0.0
        self._idle: deque[Connection] = deque()

    def ready(self, connection: Connection, now: float) -> None:
        self._idle.append(connection)
        if not self._due:  # the first of all
            self._due = now
            self._turn()

    def closed(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        super().closed(connection)

    def _turn(self) -> None:
        now = time.perf_counter()
        while self._idle and self._due <= now:
            self._idle.popleft().send(self._due)
            self._due += self.interval
        if self._slots:
            asyncio.get_running_loop().call_soon(self._turn)
