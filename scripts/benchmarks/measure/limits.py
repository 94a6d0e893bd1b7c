"""The limit of the load generator: a figure close to it says little about the server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks import processors
from benchmarks.load.closed_loop import HOST, drive, post
from benchmarks.measure.round import CONNECTIONS
from modelserve_control.common import processes


def load_limit(pair: tuple[int, int], directory: Path, seconds: float) -> float:
    """Requests per second with 16 connections against a constant answer."""
    port = processes.free_port()
    command = [sys.executable, "-m", "benchmarks.load.constant", str(port)]
    environ = processes.with_sources(os.environ)
    with processors.pin_to(pair[0]):
        child = processes.start("the constant server", command, directory / "constant.log", environ)
    try:
        child.wait_until(processes.port_probe(f"{HOST}:{port}"))
        return drive(port, post("/invocations", b"{}"), CONNECTIONS, seconds=seconds).rate
    finally:
        processes.stop([child])
