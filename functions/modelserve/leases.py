"""Who is using a version: it is freed after its last request, and none can come after that."""

from __future__ import annotations

import threading


class Leases:
    def __init__(self) -> None:
        self._count = 0
        self._awaited = self._closed = False
        self._lock = threading.Lock()  # held by itself where nothing is told: a condition's own ways are Python
        self._changed = threading.Condition(self._lock)

    def enter(self) -> bool:
        """False once the version has been freed: take the one that came after it."""
        with self._lock:
            if self._closed:
                return False
            self._count += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if self._awaited and not self._count:
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until nobody is left, then let nobody in."""
        with self._lock:
            self._awaited = True
            self._changed.wait_for(lambda: self._count == 0)
            self._closed = True
