"""How long to wait before the next attempt, where `google.api_core.retry` is too heavy to import."""

import random


class Backoff:
    """Delays in seconds: `initial`, then doubled after each failure up to `maximum`. `jitter` draws each between 0 and
    that."""

    def __init__(self, initial: float, maximum: float, jitter: bool = False) -> None:
        self.initial = initial
        self.maximum = maximum
        self.jitter = jitter
        self.reset()

    def reset(self) -> None:
        self.failures = 0
        self._delay = self.initial

    def next_delay(self) -> float:
        self.failures += 1
        delay, self._delay = self._delay, min(2 * self._delay, self.maximum)
        return random.uniform(0, delay) if self.jitter else delay  # noqa: S311 - spreads load, guards nothing
