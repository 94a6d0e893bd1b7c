"""The cost of a prediction log of every request: `python -m benchmarks.measure.prediction_log --rounds 30`.

As `benchmarks.measure.shadow`: the ratios of a server with LOG_PERCENT=100 to one without, in turns on one processor. The
embedded Pub/Sub server takes the rows, on the processor of the load when the load leaves it idle: Google's runs elsewhere.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click
import psutil

from benchmarks.measure import shadow
from modelserve.core.errors import ServeError
from modelserve_control.local import emulators, resources
from modelserve_control.local.resources import Names


@click.command(context_settings={"show_default": True})
@click.option("--seconds", type=click.FloatRange(0.05, 600), default=1.0, help="Duration of each turn.")
@click.option("--rounds", type=click.IntRange(2, 1_000), default=30, help="Number of pairs of turns.")
def main(seconds: float, rounds: int) -> None:
    """Measure the cost of a prediction log of every request."""
    names = Names("bench", "bench")
    with tempfile.TemporaryDirectory(prefix="modelserve-") as directory, emulators.pubsub(Path(directory)) as host:
        resources.make_topics(host, names)
        for process in psutil.Process().children(recursive=True):
            yield_to_others(process)
        settings = {"LOG_TOPIC": names.log, "LOG_PERCENT": "100", "PUBSUB_EMULATOR_HOST": host, "NO_GCE_CHECK": "true"}
        try:
            click.echo(shadow.table(shadow.measure(seconds, rounds, settings)))
        except ServeError as error:
            sys.exit(f"prediction_log: {error}")


def yield_to_others(process: psutil.Process) -> None:
    for thread in process.threads():
        os.sched_setscheduler(thread.id, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    main()
