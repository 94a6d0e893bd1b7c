"""What comes together is handled together: fewer requests, and fewer calls of the model."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=Hashable)


def take(queue: deque[T], measure: Callable[[T], Sequence[int]], limits: Sequence[int]) -> list[T]:
    """Removes from the front what stays within all `limits`; the first item always."""
    taken = [queue.popleft()]
    total = measure(taken[0])
    while queue:
        total = [sum(pair) for pair in zip(total, measure(queue[0]), strict=True)]
        if any(size > limit for size, limit in zip(total, limits, strict=True)):
            break
        taken.append(queue.popleft())
    return taken


def chunks(items: Iterable[T], measure: Callable[[T], Sequence[int]], limits: Sequence[int]) -> Iterator[list[T]]:
    queue = deque(items)
    while queue:
        yield take(queue, measure, limits)


@dataclass(frozen=True, slots=True)
class Pending(Generic[T, R]):
    item: T
    future: asyncio.Future[R]

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for an outcome, which is also so once it is settled."""
        return self.future.done()

    def settle(self, outcome: R | Exception) -> None:
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


@dataclass(slots=True)
class Lane(Generic[T, R]):
    """The items of one key. `running` counts the groups that are being handled."""

    waiting: deque[Pending[T, R]] = field(default_factory=deque)
    running: int = 0
    scheduled: bool = False


class Coalescer(Generic[K, T, R]):
    """Groups the items of one key that are submitted in the same turn of the event loop. While `at_once` groups of a
    key are being handled, its items wait and form the next group. `handle` settles the items of a group; if it raises,
    the error settles those that are left. For one event loop."""

    def __init__(
        self,
        handle: Callable[[K, Sequence[Pending[T, R]]], Awaitable[None]],
        measure: Callable[[T], Sequence[int]],
        limits: Sequence[int],
        at_once: float = math.inf,
    ) -> None:
        self._handle = handle
        self._measure = measure
        self._limits = limits
        self._at_once = at_once
        self._lanes: dict[K, Lane[T, R]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, key: K, item: T) -> asyncio.Future[R]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane()
        lane.waiting.append(Pending(item, future))
        if not lane.scheduled and lane.running < self._at_once:
            lane.scheduled = True
            loop.call_soon(self._start, loop, key, lane)
        return future

    def clear(self) -> None:
        for lane in self._lanes.values():
            lane.waiting.clear()

    def cancel(self) -> None:
        self.clear()
        for task in self._tasks:
            task.cancel()

    def _start(self, loop: asyncio.AbstractEventLoop, key: K, lane: Lane[T, R]) -> None:
        lane.scheduled = False
        while lane.waiting and lane.running < self._at_once:
            group = take(lane.waiting, lambda pending: self._measure(pending.item), self._limits)
            if group := [pending for pending in group if not pending.abandoned]:
                lane.running += 1
                task = loop.create_task(self._run(loop, key, lane, group))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if not lane.waiting and not lane.running and self._lanes.get(key) is lane:
            del self._lanes[key]

    async def _run(
        self, loop: asyncio.AbstractEventLoop, key: K, lane: Lane[T, R], group: Sequence[Pending[T, R]]
    ) -> None:
        try:
            await self._handle(key, group)
        except Exception as error:
            for pending in group:
                pending.settle(error)
        finally:
            lane.running -= 1
            if not lane.scheduled:
                self._start(loop, key, lane)
