"""What answers cost when every one of them is offered to a shadow: `python -m benchmarks.shadow --rounds 30`.

The compiled runtime with SHADOW_PERCENT=100 beside the same without, both started once and driven in turns, so that a
drift of the machine meets them alike. The challenger is the model itself, on the server's own processor: an instance
with one processor is the hard case. What counts is the ratio of two neighbours, and of the ratios the median.

Two closed loops show what a saturated server loses. What clients see is the third load: a fixed rate, half of what the
server without a shadow can do.
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
import psutil

from benchmarks import machine, processors
from benchmarks.load import Load
from benchmarks.measure import WARM_REQUESTS, good
from benchmarks.model import model
from benchmarks.running import Running, Site, running, tree
from benchmarks.servers import COMPILED, OWN
from benchmarks.storage import COMPILED_FORM, published
from modelserve.core.errors import ServeError

CONNECTIONS: Final = (1, 4)
SHARE: Final = 0.5  # of what it can do, at a fixed rate
QUIET_SECONDS: Final = 0.2  # without any processor time: the shadow has answered what it was offered
LONGEST_WAIT: Final = 2.0  # seconds: on a busy machine the shadow may never come to its turn
LEAST: Final = 19  # the shadow's niceness
FIGURES: Final = ("p50", "p99", "rate", "processor")

Figures = Mapping[str, float]
Drive = Callable[[Running], Load]


def measure(seconds: float, rounds: int) -> dict[str, list[Figures]]:
    """By load: of each round the ratios with a shadow to without of p50, p99, the rate, and the server's own processor
    time per answer.

    Raises a ServeError where a server fails.
    """
    pair = processors.pair()
    server = next(one for one in OWN if one.name == COMPILED)
    with processors.on(pair[1]), tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
        scratch = Path(directory)
        with published(trained := model("churn"), scratch) as store:
            site = Site(trained, store, scratch, pair)
            shadowing = {"SHADOW_MODEL_URI": store.uri(COMPILED_FORM), "SHADOW_PERCENT": "100"}
            with running(server, site) as alone, running(server, site, shadowing) as shadowed:
                for now in (alone, shadowed):
                    good(now, now.drive(1, CONNECTIONS[-1], count=WARM_REQUESTS))
                wait_until_quiet(shadowed)
                return {
                    title: turns(alone, shadowed, title, drive, rounds)
                    for title, drive in loads(alone, seconds).items()
                }


def loads(alone: Running, seconds: float) -> dict[str, Drive]:
    """By what they are called."""

    def closed(connections: int) -> Drive:
        return lambda now: now.drive(1, connections, seconds=seconds)

    rate = SHARE * good(alone, closed(CONNECTIONS[-1])(alone)).rate
    found = {f"closed loop, {count}": closed(count) for count in CONNECTIONS}
    found[f"{rate:,.0f} requests/s, {CONNECTIONS[-1]}"] = lambda now: now.drive_at(rate, 1, CONNECTIONS[-1], seconds)
    return found


def turns(alone: Running, shadowed: Running, title: str, drive: Drive, rounds: int) -> list[Figures]:
    """Which of the two is first alternates."""
    found: list[Figures] = []
    for number in range(rounds):
        order = (alone, shadowed) if number % 2 else (shadowed, alone)
        seen: dict[int, Figures] = {}
        for now in order:
            wait_until_quiet(shadowed)
            before = server_time(now)
            load = good(now, drive(now))
            seen[now.port] = figures(load, server_time(now) - before)
        found.append({name: seen[shadowed.port][name] / value for name, value in seen[alone.port].items()})
        print(f"{title}, round {number + 1} of {rounds}: {shown(found[-1])}", file=sys.stderr)
    return found


def figures(load: Load, busy: float) -> Figures:
    """Seconds, and answers per second; `busy` is the server's processor time."""
    return {
        "p50": load.percentile(0.5),
        "p99": load.percentile(0.99),
        "rate": load.rate,
        "processor": busy / len(load.latencies),
    }


def shown(figures: Figures) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def wait_until_quiet(now: Running) -> None:
    """What one turn has left to the shadow would otherwise be paid for in the next."""
    end = time.monotonic() + LONGEST_WAIT
    before = -1.0
    while before != (now_spent := processor_time(now)) and time.monotonic() < end:
        before = now_spent
        time.sleep(QUIET_SECONDS)


def processor_time(now: Running) -> float:
    """Seconds, of the server and all below it."""
    return sum(map(spent, tree(now.child.pid)))


def server_time(now: Running) -> float:
    """Without the shadow, which gives way to everybody."""
    return sum(spent(process) for process in tree(now.child.pid) if process.nice() < LEAST)


def spent(process: psutil.Process) -> float:
    """Seconds on a processor, to the nanosecond: https://docs.kernel.org/scheduler/sched-stats.html."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def table(found: Mapping[str, Sequence[Figures]]) -> str:
    """Markdown: a row for each load, with the median of each ratio and its quartiles."""
    lines = [
        "| load, connections | p50 | p99 | requests/s | the server's processor time per answer |",
        "|---|---|---|---|---|",
    ]
    for title, rounds in found.items():
        cells = (middle([one[name] for one in rounds]) for name in FIGURES)
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def middle(values: Sequence[float]) -> str:
    low, median, high = quantiles(values, n=4, method="inclusive")
    return f"{median:.3f} ({low:.3f} to {high:.3f})"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.FloatRange(0.05, 600), default=1.0, show_default=True, help="For each turn.")
@click.option("--rounds", type=click.IntRange(2, 1_000), default=30, show_default=True, help="Pairs of turns.")
@click.option("--json", "raw", type=click.Path(dir_okay=False, path_type=Path), help="Write the ratios of every round.")
def main(seconds: float, rounds: int, raw: Path | None) -> None:
    """Ratios of answers with a shadow of all of them to answers without."""
    try:
        found = measure(seconds, rounds)
    except ServeError as error:
        sys.exit(f"shadow: {error}")
    if raw:
        raw.write_text(json.dumps({"rounds": found, "machine": machine.describe()}, indent=2) + "\n")
    click.echo(table(found))


if __name__ == "__main__":
    main()
