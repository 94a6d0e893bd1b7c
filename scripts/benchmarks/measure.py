"""The figures of one server in one round."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.load import Load
from benchmarks.running import Running, Site, running
from benchmarks.servers import Server
from modelserve.core.errors import ServeError

Figures = Mapping[str, float]

CONNECTIONS = 16
BULK_ROWS = 100
WARM_REQUESTS = 1_000  # after which memory is read
WARM_BULK = 32


class FailedRequests(ServeError):
    """A server that fails requests has no figures."""

    code = "FAILED_REQUESTS"


def measure(server: Server, site: Site, seconds: float) -> Figures:
    """`start` in seconds, `p50`, `p99` in milliseconds, `rate` and `bulk` in requests per second, `memory` in MiB.

    Raises a ServeError that says why the server has none.
    """
    with running(server, site) as now:
        good(now, now.drive(1, CONNECTIONS, count=WARM_REQUESTS))
        memory = now.memory()
        alone = good(now, now.drive(1, 1, seconds=seconds))
        many = good(now, now.drive(1, CONNECTIONS, seconds=seconds))
        good(now, now.drive(BULK_ROWS, CONNECTIONS, count=WARM_BULK))
        bulk = good(now, now.drive(BULK_ROWS, CONNECTIONS, seconds=seconds))
        return {
            "start": now.start,
            "p50": alone.percentile(0.5) * 1e3,
            "p99": alone.percentile(0.99) * 1e3,
            "rate": many.rate,
            "bulk": bulk.rate,
            "memory": memory,
        }


def good(now: Running, load: Load) -> Load:
    if load.failures:
        failed = ", ".join(f"{count} x {reason}" for reason, count in load.failures.items())
        raise FailedRequests(f"{now.server.title} failed requests: {failed}, beside {len(load.latencies)} answers.")
    return load
