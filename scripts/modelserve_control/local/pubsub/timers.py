"""Deadlines by key: set, cancel and pop the earliest in logarithmic time."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

# Cancelled deadlines in the heap before it is rebuilt: with ack deadlines of 600 s there would be millions.
MAX_CANCELLED = 64


class Timers(Generic[K]):
    """Times are seconds of the caller's clock. Keys due at the same time are popped in the order in which they were set."""

    def __init__(self) -> None:
        self._due: dict[K, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: K, due: float) -> None:
        self._count += 1
        self._due[key] = (due, self._count)
        heappush(self._heap, (due, self._count, key))
        if len(self._heap) > 2 * len(self._due) + MAX_CANCELLED:
            self._heap = [(due, count, key) for key, (due, count) in self._due.items()]
            heapify(self._heap)

    def cancel(self, key: K) -> None:
        self._due.pop(key, None)

    def clear(self) -> None:
        self._due.clear()
        self._heap.clear()

    def next(self) -> float | None:
        while self._heap and not self._is_current(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self, now: float) -> list[K]:
        """Every key that is due, earliest first."""
        keys = []
        while (due := self.next()) is not None and due <= now:
            key = heappop(self._heap)[2]
            del self._due[key]
            keys.append(key)
        return keys

    def _is_current(self, item: tuple[float, int, K]) -> bool:
        due, count, key = item
        return self._due.get(key) == (due, count)
