"""Whether a side still answers after it got more requests."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from modelserve_control.deploy.failover.sides import Side

INTERVAL_SECONDS: Final = 1.0
WINDOW: Final = 10  # probes
FAILED: Final = 3  # of them: one lost answer is no reason to move requests, and a dead side is found in three


@dataclass(frozen=True)
class Watched:
    """`reason` is None when all went well, else how the side failed."""

    probes: int
    failed: int
    reason: str | None = None


def watch(side: Side, seconds: float) -> Watched:
    """Probes once a second, and ends at once when too many of the last probes failed."""
    end = time.monotonic() + seconds
    latest: deque[bool] = deque(maxlen=WINDOW)
    probes = failed = 0
    while (now := time.monotonic()) < end:
        found = side.probe()
        probes += 1
        failed += not found.ready
        latest.append(found.ready)
        if latest.count(False) >= FAILED:
            return Watched(
                probes, failed, f"{latest.count(False)} of its last {len(latest)} probes failed: {found.reason}"
            )
        time.sleep(max(0.0, min(now + INTERVAL_SECONDS, end) - time.monotonic()))
    return Watched(probes, failed)
