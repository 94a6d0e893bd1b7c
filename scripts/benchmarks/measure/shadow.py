"""The cost of a shadow that scores every request: `python -m benchmarks.measure.shadow --rounds 30`.

Compares the compiled runtime with SHADOW_PERCENT=100 and the same server without a shadow. Both receive load in turns, so
that a drift of the machine affects both equally. The shadow runs the same model on the same processor, because an
instance with one processor is the most difficult case. The result is the median of the ratios of consecutive turns.

Two closed loops show the loss of a saturated server. An open loop at half of the capacity shows the loss for clients.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Final

import click

from benchmarks import machine, processors
from benchmarks.load.closed_loop import Load
from benchmarks.measure.round import WARM_REQUESTS, require_success
from benchmarks.model import load_model
from benchmarks.servers.running import RunningServer, Site, process_tree, processor_seconds, run_server
from benchmarks.servers.storage import COMPILED_RUNTIME, publish_model
from benchmarks.servers.table import COMPILED, OWN
from modelserve.core.errors import ServeError

CONNECTIONS: Final = (1, 4)
SHARE: Final = 0.5  # of the capacity, for the fixed rate
QUIET_SECONDS: Final = 0.5  # without processor time: the shadow has finished, or the log has published its last rows
MAX_WAIT_SECONDS: Final = 2.0  # on a busy machine the shadow may never finish
SHADOW_NICENESS: Final = 19
FIGURES: Final = ("p50", "p99", "rate", "processor")

Figures = Mapping[str, float]
Drive = Callable[[RunningServer], Load]


def measure(seconds: float, rounds: int, other: Mapping[str, str] | None = None) -> dict[str, list[Figures]]:
    """For each load and round, the ratios (with shadow to without) of p50, p99, the rate, and the server's processor time
    per answer. `other`: the settings whose cost is measured, instead of those of a shadow.

    Raises a ServeError if a server fails.
    """
    pair = processors.choose_pair()
    server = next(one for one in OWN if one.name == COMPILED)
    with processors.pin_to(pair[1]), tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
        scratch = Path(directory)
        with publish_model(trained := load_model("churn"), scratch) as store:
            site = Site(trained, store, scratch, pair)
            shadowing = {"SHADOW_MODEL_URI": store.uri(COMPILED_RUNTIME), "SHADOW_PERCENT": "100"}
            shadowing = dict(other) if other else shadowing
            with run_server(server, site) as alone, run_server(server, site, shadowing) as shadowed:
                for running in (alone, shadowed):
                    require_success(running, running.drive(1, CONNECTIONS[-1], count=WARM_REQUESTS))
                wait_until_quiet(shadowed)
                return {
                    title: compare(alone, shadowed, title, drive, rounds)
                    for title, drive in loads(alone, seconds).items()
                }


def loads(alone: RunningServer, seconds: float) -> dict[str, Drive]:
    """By title."""

    def closed_loop(connections: int) -> Drive:
        return lambda running: running.drive(1, connections, seconds=seconds)

    rate = SHARE * require_success(alone, closed_loop(CONNECTIONS[-1])(alone)).rate
    found = {f"closed loop, {count}": closed_loop(count) for count in CONNECTIONS}
    found[f"{rate:,.0f} requests/s, {CONNECTIONS[-1]}"] = lambda running: running.drive_at(
        rate, 1, CONNECTIONS[-1], seconds
    )
    return found


def compare(alone: RunningServer, shadowed: RunningServer, title: str, drive: Drive, rounds: int) -> list[Figures]:
    """The servers take turns to go first."""
    found: list[Figures] = []
    for number in range(rounds):
        order = (alone, shadowed) if number % 2 else (shadowed, alone)
        seen: dict[int, Figures] = {}
        for running in order:
            wait_until_quiet(shadowed)
            before = server_time(running)
            load = require_success(running, drive(running))
            seen[running.port] = figures(load, server_time(running) - before)
        found.append({name: seen[shadowed.port][name] / value for name, value in seen[alone.port].items()})
        ratios = ", ".join(f"{name} {value:.3f}" for name, value in found[-1].items())
        print(f"{title}, round {number + 1} of {rounds}: {ratios}", file=sys.stderr)
    return found


def figures(load: Load, busy: float) -> Figures:
    """Seconds, and answers per second; `busy`: the server's processor time in seconds."""
    return {
        "p50": load.percentile(0.5),
        "p99": load.percentile(0.99),
        "rate": load.rate,
        "processor": busy / len(load.latencies),
    }


def wait_until_quiet(running: RunningServer) -> None:
    """Otherwise the shadow's remaining work would slow down the next turn."""
    end = time.monotonic() + MAX_WAIT_SECONDS
    before = -1.0
    while before != (spent := running.processor_seconds()) and time.monotonic() < end:
        before = spent
        time.sleep(QUIET_SECONDS)


def server_time(running: RunningServer) -> float:
    """Seconds without the shadow, which has the lowest priority."""
    own = (process for process in process_tree(running.child.pid) if process.nice() < SHADOW_NICENESS)
    return sum(map(processor_seconds, own))


def table(found: Mapping[str, Sequence[Figures]]) -> str:
    """Markdown with one row for each load: the median of each ratio and its quartiles."""
    lines = [
        "| load, connections | p50 | p99 | requests/s | the server's processor time per answer |",
        "|---|---|---|---|---|",
    ]
    for title, rounds in found.items():
        cells = (format_quartiles([one[name] for one in rounds]) for name in FIGURES)
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_quartiles(values: Sequence[float]) -> str:
    low, median, high = quantiles(values, n=4, method="inclusive")
    return f"{median:.3f} ({low:.3f} to {high:.3f})"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--seconds", type=click.FloatRange(0.05, 600), default=1.0, show_default=True, help="Duration of each turn."
)
@click.option(
    "--rounds", type=click.IntRange(2, 1_000), default=30, show_default=True, help="Number of pairs of turns."
)
@click.option(
    "--json",
    "raw",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the ratios of every round to this file.",
)
def main(seconds: float, rounds: int, raw: Path | None) -> None:
    """Measure the cost of a shadow that scores every request."""
    try:
        found = measure(seconds, rounds)
    except ServeError as error:
        sys.exit(f"shadow: {error}")
    if raw:
        raw.write_text(json.dumps({"rounds": found, "machine": machine.describe()}, indent=2) + "\n")
    click.echo(table(found))


if __name__ == "__main__":
    main()
