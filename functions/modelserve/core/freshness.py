"""How long ago the alias was read. On Cloud Run a process has no processor between requests, so the thread that reads the
alias may have slept since: a request that comes later waits for one read."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings

logger = logging.getLogger(__name__)

# It advances while the machine is suspended, too.
clock = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

READ_SECONDS: Final = 0.3  # that requests wait for one read
MIN_PAUSE, MAX_PAUSE = 0.002, 0.05  # seconds between two looks at whether it is done


class Freshness:
    """Requests call `wait` on their loop, and the loader's thread calls the other methods."""

    def __init__(self, settings: Settings, metrics: Metrics, read_alias: Callable[[], object]) -> None:
        self.until = math.inf  # on `clock`: until then the active version answers without another read
        self._settings = settings
        self._metrics = metrics
        self._read_alias = read_alias
        # Where the store does not answer, requests wait once in this time.
        self._interval = min(settings.model_refresh_seconds, settings.model_max_stale_seconds)
        self._read_at = math.inf  # when the last read began that succeeded
        self._asked_at = -math.inf
        self._wait_until = 0.0
        self._is_loading = False  # the version that the alias names, after the active one was found to be stale
        self._is_reported = False

    async def wait(self) -> None:
        """Returns when the active version may answer: it is fresh, or there is no sense in waiting longer."""
        now = clock()
        if now < self.until:
            return
        if now >= self._asked_at + self._interval and not self._is_loading:
            self._asked_at, self._wait_until, self._is_reported = now, now + READ_SECONDS, False
            self._read_alias()
        pause = MIN_PAUSE
        while (now := clock()) >= self.until and (self._is_loading or self._read_at < self._asked_at):
            if now >= self._wait_until:
                self._count()
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

    def _count(self) -> None:
        self._metrics.count("stale")
        if not self._is_reported:
            self._is_reported = True
            logger.warning("the active version answers, though the alias may name another one")

    def succeed(self, began: float, is_settled: bool) -> None:
        """The alias was read. `is_settled`: it names the active version, or one that cannot be loaded."""
        is_stale = not is_settled and began >= self.until
        if is_stale and not self._is_loading:
            self._wait_until = clock() + self._settings.load_wait_seconds
            self._is_loading = True
        self._read_at = began  # a request that waits goes on here, unless the version is being loaded
        if not is_stale:
            self.renew()

    def renew(self) -> None:
        """The version that the alias named is active, or has failed."""
        self.until = self._read_at + self._settings.model_max_stale_seconds
        self._is_loading = False
        if self.until > clock():
            self._asked_at = -math.inf

    def fail(self, began: float) -> None:
        """The alias could not be read."""
        if began >= self._asked_at and not self._is_loading:
            self._wait_until = 0.0
