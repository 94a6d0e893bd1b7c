"""Requests while the alias moves under load: p99 before and during the moves, and the number of failed requests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.measure.round import FailedRequests
from benchmarks.servers.running import RunningServer, Site, run_server
from benchmarks.servers.table import Server

CONNECTIONS = 4
FLIP_INTERVAL = 2.0  # seconds between two moves of the alias
FLIPS = 10
REFRESH = 0.5  # seconds; with the default of 15 the server would miss moves
SETTINGS = {"MODEL_REFRESH_SECONDS": str(REFRESH)}
WARM_REQUESTS = 500
ACTIVATION_LINE = '"version activated"'  # a line of the server's log


def activation(server: Server, site: Site, flips: int) -> Mapping[str, float]:
    """`steady_p99` and `activation_p99` in milliseconds, `activations`, and the number of `failed` requests.

    Both runs take equally long. Raises FailedRequests unless the server activates every move.
    """
    seconds = flips * FLIP_INTERVAL + FLIP_INTERVAL
    with run_server(server, site, SETTINGS) as running:
        running.drive(1, CONNECTIONS, count=WARM_REQUESTS)
        steady = running.drive(1, CONNECTIONS, seconds=seconds)
        before = count_activations(running)
        with flip_alias(site, server, flips):
            moving = running.drive(1, CONNECTIONS, seconds=seconds)
        seen = wait_for_activations(running, before + flips) - before
    if seen != flips:
        raise FailedRequests(f"{server.title} activated {seen} of {flips} moves of its alias.")
    return {
        "steady_p99": steady.percentile(0.99) * 1e3,
        "activation_p99": moving.percentile(0.99) * 1e3,
        "activations": seen,
        "failed": sum(steady.failures.values()) + sum(moving.failures.values()),
    }


def count_activations(running: RunningServer) -> int:
    return running.child.log.read_text(errors="replace").count(ACTIVATION_LINE)


def wait_for_activations(running: RunningServer, count: int) -> int:
    end = time.monotonic() + 10 * REFRESH
    while count_activations(running) < count and time.monotonic() < end:
        time.sleep(REFRESH / 10)
    return count_activations(running)


@contextmanager
def flip_alias(site: Site, server: Server, flips: int) -> Iterator[None]:
    """Move the alias while the block runs. Raises CalledProcessError if a move fails."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.measure.flips",
        site.store.bucket,
        site.store.name(server.runtime),
        str(FLIP_INTERVAL),
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
    """Wait until the process is ready, then start its clock."""
    if process.stdout is None or process.stdin is None or not process.stdout.readline():
        raise FailedRequests("The program that moves the alias did not start.")
    process.stdin.write("\n")
    process.stdin.flush()
