"""When a request to the store is tried again, and for how long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from modelserve.core.errors import StoreUnavailable

T = TypeVar("T")

# https://cloud.google.com/storage/docs/retry-strategy#retryable
RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class Transient(Exception):
    """The attempt failed in a way that the next one may not. `reason` is a few words for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Timing:
    """Seconds. A silent connection is given up after `read`; everything about one call after `total`.

    `total` is half of Cloud Storage's own default of 120, since a function waits for its model with a request in hand.
    """

    connect: float = 5.0
    read: float = 20.0
    total: float = 60.0
    first_pause: float = 0.1
    longest_pause: float = 5.0

    @property
    def timeouts(self) -> tuple[float, float]:
        return self.connect, self.read


class Deadline:
    """One call's attempts. `attempts` tells a mutation whether an earlier one may have arrived."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._end = time.monotonic() + timing.total
        self.attempts = 0

    def check(self) -> None:
        """Raise `Transient` when time is up: a stream that drips would never run into a timeout of its own."""
        if time.monotonic() > self._end:
            raise Transient("the deadline passed")

    def run(self, attempt: Callable[[], T]) -> T:
        """Until it succeeds, fails for good, or time is up (`StoreUnavailable`)."""
        pause = self._timing.first_pause
        while True:
            self.attempts += 1
            try:
                return attempt()
            except Transient as transient:
                # Full jitter, so that instances that failed together do not come back together.
                wait = random.uniform(0, pause)  # noqa: S311 - spreads load, guards nothing
                if time.monotonic() + wait > self._end:
                    raise StoreUnavailable(
                        f"The store did not answer within {self._timing.total:g} s: {transient.reason}."
                    ) from transient
            time.sleep(wait)
            pause = min(pause * 2, self._timing.longest_pause)
