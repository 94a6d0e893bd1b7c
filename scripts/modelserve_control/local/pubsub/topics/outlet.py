"""Between one backlog and the event loop: wakes waiting subscribers, and the backlog itself when something is due."""

from __future__ import annotations

import asyncio

from modelserve_control.local.pubsub.topics.backlog import Backlog, Flow
from modelserve_control.local.pubsub.topics.messages import Delivery


class Outlet:
    """Its clock must be the loop's. `closed` is set when the subscription is deleted or changed."""

    def __init__(self, backlog: Backlog) -> None:
        self.backlog = backlog
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0  # uvloop's handle of a time that has passed does not tell when it is due
        backlog.changed = self._changed
        self._changed()

    async def take(self, limit: int, flow: Flow | None = None, deadline: float | None = None) -> list[Delivery]:
        """At least one delivery, as soon as there is one and `flow` has room; none only when the outlet is closed."""
        while not self.closed:
            deliveries = self.backlog.lease(limit, deadline, flow)
            if deliveries:
                return deliveries
            await self._change()
        return []

    def close(self) -> None:
        self.closed = True
        self.backlog.changed = lambda: None
        if self._timer:
            self._timer.cancel()
        self._wake()

    async def _change(self) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _changed(self) -> None:
        if self.backlog.ready:
            self._wake()
        self._arm()

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _arm(self) -> None:
        """Only an earlier time moves the timer: a cancelled deadline costs one tick instead of a timer per ack."""
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
