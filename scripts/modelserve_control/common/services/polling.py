"""Repeat something until it succeeds or its time is over."""

import time
from collections.abc import Iterator


def poll(seconds: float, pause: float, max_pause: float | None = None) -> Iterator[None]:
    """Yields at once, after each pause, and a last time when `seconds` are over. Pauses double up to `max_pause`."""
    end = time.monotonic() + seconds
    while True:
        yield
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(2 * pause, max_pause or pause)
