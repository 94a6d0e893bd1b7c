"""When a request to the store is tried again, and for how long."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from modelserve.core.backoff import Backoff
from modelserve.core.errors import StoreUnavailable

T = TypeVar("T")

# https://cloud.google.com/storage/docs/retry-strategy#retryable
RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class Transient(Exception):
    """This attempt failed, and the next one may succeed. `reason` completes the sentence "The store did not answer: "."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Timing:
    """Seconds: `connect` and `read` bound one attempt, `total` all attempts of a call. Half of Cloud Storage's own
    default of 120, since requests wait while a function loads its first model."""

    connect: float = 5.0
    read: float = 20.0
    total: float = 60.0
    initial_backoff: float = 0.1
    max_backoff: float = 5.0


class Deadline:
    """The attempts of one call. `attempts` tells a write whether an earlier attempt may have reached the store."""

    def __init__(self, timing: Timing) -> None:
        self._total = timing.total
        self._end = time.monotonic() + timing.total
        self._backoff = Backoff(timing.initial_backoff, timing.max_backoff, jitter=True)

    @property
    def attempts(self) -> int:
        return self._backoff.failures + 1

    def check(self) -> None:
        """Raise `Transient` when time is up. A server that sends slowly but steadily never hits the read timeout."""
        if time.monotonic() > self._end:
            raise Transient("the deadline passed")

    def run(self, attempt: Callable[[], T]) -> T:
        """Repeat the attempt while it raises `Transient` and time is left; then raise `StoreUnavailable`."""
        while True:
            try:
                return attempt()
            except Transient as transient:
                delay = self._backoff.next_delay()
                if time.monotonic() + delay > self._end:
                    raise StoreUnavailable(
                        f"The store did not answer within {self._total:g} s: {transient.reason}."
                    ) from transient
            time.sleep(delay)
