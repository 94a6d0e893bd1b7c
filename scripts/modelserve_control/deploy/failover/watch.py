"""Watch a side after it got more requests."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from modelserve_control.common.services.polling import poll
from modelserve_control.deploy.failover.sides import Side

INTERVAL_SECONDS: Final = 1.0
WINDOW: Final = 10  # probes
MAX_FAILED: Final = 3  # of the window, from which on a side has failed; a single lost answer is no failure


@dataclass(frozen=True)
class WatchResult:
    """`reason` says how the side failed, and is None when it did not."""

    probes: int
    failed: int
    reason: str | None = None


def watch(side: Side, seconds: float) -> WatchResult:
    """Probes once a second, and ends at once when too many of the last probes failed."""
    latest: deque[bool] = deque(maxlen=WINDOW)
    probes = failed = 0
    for _ in poll(seconds, INTERVAL_SECONDS) if seconds else ():
        found = side.probe()
        probes += 1
        failed += not found.ready
        latest.append(found.ready)
        if latest.count(False) >= MAX_FAILED:
            return WatchResult(
                probes, failed, f"{latest.count(False)} of its last {len(latest)} probes failed: {found.reason}"
            )
    return WatchResult(probes, failed)
