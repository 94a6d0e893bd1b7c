"""Who is using a version: it is freed after its last request, and none can come after that."""

from __future__ import annotations

import threading


class Leases:
    def __init__(self) -> None:
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """False once the version has been freed: take the one that came after it."""
        with self._changed:
            if self._closed:
                return False
            self._count += 1
            return True

    def leave(self) -> None:
        with self._changed:
            self._count -= 1
            if not self._count:
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until nobody is left, then let nobody in."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0)
            self._closed = True
