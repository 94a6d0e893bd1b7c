"""One processor for the server and another one for the load, so that they do not compete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from modelserve.core.errors import ServeError


class TooFewProcessors(ServeError):
    code = "TOO_FEW_PROCESSORS"


def choose_pair() -> tuple[int, int]:
    """The processors of the server and of the load. Raises TooFewProcessors if this process may not use two."""
    if not hasattr(os, "sched_getaffinity"):
        raise TooFewProcessors("Pinning processes to processors needs Linux.")
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise TooFewProcessors("The server and the load need one processor each, but this process may use only one.")
    return usable[0], usable[1]


@contextmanager
def pin_to(processor: int) -> Iterator[None]:
    """Pin this thread, and the processes that it starts in the block, to one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
