"""Moves the alias back and forth: `python -m benchmarks.measure.flips STORE NAME SECONDS COUNT`.

It runs in its own process, so that the load generator does nothing else, and prints `ready` when everything is imported.
"""

from __future__ import annotations

import sys
import time

from benchmarks.servers.storage import VERSIONS
from modelserve_control.registry import catalog
from modelserve_control.registry.promote import promote


def flip(store: str, name: str, seconds: float, count: int) -> None:
    """The first move comes `seconds` after one line on stdin, the others follow at the same interval."""
    with catalog.open_store(store) as objects:
        now, _ = catalog.alias(objects, name, "champion")
        place = VERSIONS.index(now.version)
        print("ready", flush=True)
        sys.stdin.readline()
        begin = time.monotonic()
        for number in range(1, count + 1):
            time.sleep(max(0.0, begin + number * seconds - time.monotonic()))
            promote(objects, name, VERSIONS[(place + number) % len(VERSIONS)], "champion", "benchmark")


if __name__ == "__main__":
    flip(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
