"""One run: each round measures every server in turn, so that a drift of the machine affects all of them equally."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil

from benchmarks import machine, processors
from benchmarks.measure import forms
from benchmarks.measure.activation import activation
from benchmarks.measure.bodies import bodies
from benchmarks.measure.events import LIMITS, MODES, events
from benchmarks.measure.limits import load_limit
from benchmarks.measure.round import measure
from benchmarks.measure.waking import CASES, SECONDS, waking
from benchmarks.model import load_model
from benchmarks.report.figures import Results, Run
from benchmarks.servers import environments
from benchmarks.servers.running import Site
from benchmarks.servers.storage import publish_model
from benchmarks.servers.table import COMPILED, OWN, RELAY, Server
from modelserve.core.errors import ServeError

MAX_LOAD_AVERAGE = 0.5  # of an idle machine
# Activations, bodies, wire forms and events are measured with this model only.
FULL_MODEL = "churn"

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """`seconds` per figure and round; `flips`: activations under load; `events`: for the event function and the worker."""

    servers: Sequence[Server]
    models: Sequence[str]
    peers_for: Collection[str]
    """The models that are measured with peers."""
    seconds: float
    rounds: int
    flips: int
    events: int

    def servers_of(self, name: str) -> Sequence[Server]:
        return [server for server in self.servers if server in OWN or name in self.peers_for]


def run(plan: Plan) -> Run:
    """A failure of one server is recorded in `missing`; the others are still measured."""
    began = time.monotonic()
    warn_if_busy()
    found = Run([Results(name, plan.servers_of(name)) for name in plan.models])
    pair = processors.choose_pair()
    with processors.pin_to(pair[1]):
        with tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
            limit = partial(load_limit, pair, Path(directory), plan.seconds)
            found.load_limit = run_step("the limit of the load generator", limit)
        for results in found.models:
            run_model(plan, results, pair)
    log(f"done in {time.monotonic() - began:.0f} s")
    return found


def run_model(plan: Plan, results: Results, pair: tuple[int, int]) -> None:
    trained = run_step(f"{results.model}: train the model unless it is cached", lambda: load_model(results.model))
    for server in results.servers:
        if server.peer:
            attempt(results, server, "install", partial(environments.python, server.peer))
    with tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
        scratch = Path(directory)
        with publish_model(trained, scratch) as store:
            site = Site(trained, store, scratch, pair)
            measure_all(plan, results, site)
            if results.model == FULL_MODEL:
                measure_ours(plan, results, site)


def measure_all(plan: Plan, results: Results, site: Site) -> None:
    for number in range(1, plan.rounds + 1):
        for server in results.servers:
            what = f"{results.model}, round {number} of {plan.rounds}"
            figures = attempt(results, server, what, partial(measure, server, site, plan.seconds))
            if figures is not None:
                results.rounds.setdefault(server.name, []).append(figures)


def measure_ours(plan: Plan, results: Results, site: Site) -> None:
    """Measurements of our own servers only."""
    for server in results.servers:
        if server.runtime and plan.flips:
            moved = attempt(results, server, "activations", partial(activation, server, site, plan.flips))
            if moved is not None:
                results.activations[server.name] = moved
    for server in results.servers:
        if server.runtime:
            send_bodies = partial(bodies, server, site, plan.seconds)
            found = attempt(results, server, "the largest bodies", send_bodies, results.unfinished)
            if found is not None:
                results.bodies[server.name] = found
    if any(server.name == COMPILED for server in results.servers):
        wake = partial(waking, forms.OURS, site, CASES, SECONDS)
        results.waking = attempt(results, forms.OURS, "instances that slept", wake, results.unfinished) or {}
        compare_forms = partial(forms.measure_models, site.processors, list(forms.FORMS), forms.SECONDS, forms.ROUNDS)
        results.forms = attempt(results, forms.OURS, "wire forms", compare_forms, results.unfinished) or []
    if plan.events:
        for server, modes in [(RELAY, LIMITS), *((server, MODES) for server in results.servers if server.runtime)]:
            for mode in modes:
                count = partial(events, server, site, plan.events, mode)
                counted = attempt(results, server, f"events, {mode.title}", count, results.unfinished)
                if counted is not None:
                    results.events.setdefault(server.title, {})[mode.title] = counted


def attempt(
    results: Results, server: Server, what: str, action: Callable[[], T], failed: dict[str, str] | None = None
) -> T | None:
    """The result, or None if the action fails or the server is in `results.missing`.

    The reason goes to `failed`. Its default is `results.missing`, which also discards the figures of the server.
    """
    if server.name in results.missing:
        return None
    try:
        return run_step(f"{what}: {server.title}", action)
    except (ServeError, OSError, subprocess.SubprocessError, psutil.Error) as error:
        (results.missing if failed is None else failed)[server.name] = f"{what}: {error}"
        log(f"{server.title}: {error}")
        return None


def run_step(what: str, action: Callable[[], T]) -> T:
    began = time.monotonic()
    result = action()
    log(f"{time.monotonic() - began:6.1f} s  {what}")
    return result


def warn_if_busy() -> None:
    if machine.load_average() > MAX_LOAD_AVERAGE:
        log(f"warning: the load average is {machine.load_average():.1f}; other processes distort the figures")


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
