"""What requests notice when the alias moves under load: p99 before and meanwhile, and every request that failed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.measure import FailedRequests
from benchmarks.running import Running, Site, running
from benchmarks.servers import Server

CONNECTIONS = 4
APART = 2.0  # seconds between two moves of the alias
FLIPS = 10
REFRESH = 0.5  # seconds; the default of 15 would not see every move
SETTINGS = {"MODEL_REFRESH_SECONDS": str(REFRESH)}
WARM_REQUESTS = 500
ACTIVATED = '"version activated"'  # a line of the server's log


def activation(server: Server, site: Site, flips: int) -> Mapping[str, float]:
    """`steady_p99` and `activation_p99` in milliseconds, `activations`, and how many requests `failed`.

    Both p99 are of equally long runs. Raises FailedRequests when not every move was activated.
    """
    seconds = flips * APART + APART
    with running(server, site, SETTINGS) as now:
        now.drive(1, CONNECTIONS, count=WARM_REQUESTS)
        steady = now.drive(1, CONNECTIONS, seconds=seconds)
        before = activations(now)
        with flipping(site, server, flips):
            moving = now.drive(1, CONNECTIONS, seconds=seconds)
        seen = wait_for_activations(now, before + flips) - before
    if seen != flips:
        raise FailedRequests(f"{server.title} activated {seen} of {flips} moves of its alias.")
    return {
        "steady_p99": steady.percentile(0.99) * 1e3,
        "activation_p99": moving.percentile(0.99) * 1e3,
        "activations": seen,
        "failed": sum(steady.failures.values()) + sum(moving.failures.values()),
    }


def activations(now: Running) -> int:
    return now.child.log.read_text(errors="replace").count(ACTIVATED)


def wait_for_activations(now: Running, count: int) -> int:
    end = time.monotonic() + 10 * REFRESH
    while activations(now) < count and time.monotonic() < end:
        time.sleep(REFRESH / 10)
    return activations(now)


@contextmanager
def flipping(site: Site, server: Server, flips: int) -> Iterator[None]:
    """The alias moves while the block runs. Raises CalledProcessError when a move failed."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.flips",
        site.store.bucket,
        site.store.name(server.form),
        str(APART),
        str(flips),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=site.store.environ, text=True, stdin=pipe, stdout=pipe) as process:
        try:
            begin(process)
            yield
            code = process.wait(timeout=60)
        finally:
            process.kill()
    if code:
        raise subprocess.CalledProcessError(code, command)


def begin(process: subprocess.Popen[str]) -> None:
    """Once it says that it is ready."""
    if process.stdout is None or process.stdin is None or not process.stdout.readline():
        raise FailedRequests("The program that moves the alias did not start.")
    process.stdin.write("\n")
    process.stdin.flush()
