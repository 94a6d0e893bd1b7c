"""A clock of a test's own, in place of the module `time`."""

from __future__ import annotations


class VirtualTime:
    """Passes only where it is slept, and at once: a watch has as many probes as it should, however busy the machine is.
    In seconds, since nothing in particular."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
