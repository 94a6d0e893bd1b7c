"""One processor for the server, another for the load, so that neither takes the other's time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from modelserve.core.errors import ServeError


class TooFewProcessors(ServeError):
    code = "TOO_FEW_PROCESSORS"


def pair() -> tuple[int, int]:
    """(the server's, the load's). Raises TooFewProcessors where there are not two to choose from."""
    if not hasattr(os, "sched_getaffinity"):
        raise TooFewProcessors("Pinning processes to processors needs Linux.")
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise TooFewProcessors("The server and the load need a processor each, and this process may use only one.")
    return usable[0], usable[1]


@contextmanager
def on(processor: int) -> Iterator[None]:
    """This thread, and what it starts meanwhile, on one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
