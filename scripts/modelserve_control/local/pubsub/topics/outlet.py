"""Connects one backlog to the event loop: wakes waiting subscribers, and calls `tick` when it is due."""

from __future__ import annotations

import asyncio

from modelserve_control.local.pubsub.topics.backlog import Backlog, Flow
from modelserve_control.local.pubsub.topics.messages import Delivery


class Outlet:
    """The backlog must use the clock of the loop. `closed` is set when the subscription is deleted."""

    def __init__(self, backlog: Backlog) -> None:
        self.backlog = backlog
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0  # a handle of uvloop does not say when it was due
        backlog.on_change = self._on_change
        self._on_change()

    async def take(self, limit: int, flow: Flow | None = None, deadline: float | None = None) -> list[Delivery]:
        """Waits until there is a delivery and `flow` has room. The list is empty only when the outlet is closed."""
        while not self.closed:
            deliveries = self.backlog.lease(limit, deadline, flow)
            if deliveries:
                return deliveries
            await self._wait_for_change()
        return []

    def close(self) -> None:
        self.closed = True
        self.backlog.on_change = lambda: None
        if self._timer:
            self._timer.cancel()
        self._wake()

    async def _wait_for_change(self) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _on_change(self) -> None:
        if self.backlog.ready:
            self._wake()
        self._set_timer()

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _set_timer(self) -> None:
        """Only an earlier time replaces the timer: a cancelled deadline costs one tick, not a new timer for each ack."""
        due = self.backlog.next_due()
        if due is None or (self._timer and self._timer_due <= due):
            return
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._tick)
        self._timer_due = due

    def _tick(self) -> None:
        self._timer = None
        self.backlog.tick()
