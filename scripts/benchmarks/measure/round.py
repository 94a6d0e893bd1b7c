"""The figures of one server in one round."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.load.closed_loop import Load
from benchmarks.servers.running import RunningServer, Site, run_server
from benchmarks.servers.table import Server
from modelserve.core.errors import ServeError

Figures = Mapping[str, float]

CONNECTIONS = 16
BULK_ROWS = 100
WARM_REQUESTS = 1_000  # memory is measured after them
WARM_BULK = 32


class FailedRequests(ServeError):
    code = "FAILED_REQUESTS"


def measure(server: Server, site: Site, seconds: float) -> Figures:
    """`start` in seconds, `p50` and `p99` in milliseconds, `rate` and `bulk` in requests per second, `memory` in MiB.

    Raises a ServeError if the server does not start or fails a request.
    """
    with run_server(server, site) as running:
        require_success(running, running.drive(1, CONNECTIONS, count=WARM_REQUESTS))
        memory = running.memory()
        alone = require_success(running, running.drive(1, 1, seconds=seconds))
        many = require_success(running, running.drive(1, CONNECTIONS, seconds=seconds))
        require_success(running, running.drive(BULK_ROWS, CONNECTIONS, count=WARM_BULK))
        bulk = require_success(running, running.drive(BULK_ROWS, CONNECTIONS, seconds=seconds))
        return {
            "start": running.start,
            "p50": alone.percentile(0.5) * 1e3,
            "p99": alone.percentile(0.99) * 1e3,
            "rate": many.rate,
            "bulk": bulk.rate,
            "memory": memory,
        }


def require_success(running: RunningServer, load: Load) -> Load:
    if load.failures:
        failed = ", ".join(f"{count} x {reason}" for reason, count in load.failures.items())
        raise FailedRequests(f"{running.server.title} failed requests: {failed}. It answered {len(load.latencies)}.")
    return load
