"""One run: every server in every round, one after the other, so that a drift of the machine meets them all alike."""

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

from benchmarks import environments, forms, machine, processors
from benchmarks.activation import activation
from benchmarks.bodies import bodies
from benchmarks.events import LIMITS, WAYS, events
from benchmarks.figures import Results, Run
from benchmarks.limits import load_limit
from benchmarks.measure import measure
from benchmarks.model import model
from benchmarks.running import Site
from benchmarks.servers import COMPILED, OWN, PASSING, Server
from benchmarks.storage import published
from modelserve.core.errors import ServeError

BUSY = 0.5  # more than an idle machine's load average
# Whose alias is moved, and whose events are counted: neither says more when it is repeated for every model.
FULL = "churn"

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """`seconds` for each figure of each round; `flips` activations under load; `events` through the event function and the worker."""

    servers: Sequence[Server]
    models: Sequence[str]
    peers_for: Collection[str]
    """The models for which servers other than our own are measured."""
    seconds: float
    rounds: int
    flips: int
    events: int

    def servers_of(self, name: str) -> Sequence[Server]:
        return [server for server in self.servers if server in OWN or name in self.peers_for]


def run(plan: Plan) -> Run:
    """A server that cannot be installed, started or measured is in `missing`, and the others go on."""
    began = time.monotonic()
    if machine.load() > BUSY:
        say(f"warning: the load average is {machine.load():.1f}; whatever else runs here is measured too")
    found = Run([Results(name, plan.servers_of(name)) for name in plan.models])
    pair = processors.pair()
    with processors.on(pair[1]):
        with tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
            limit = partial(load_limit, pair, Path(directory), plan.seconds)
            found.load_limit = step("what the load can drive", limit)
        for results in found.models:
            run_model(plan, results, pair)
    say(f"done in {time.monotonic() - began:.0f} s")
    return found


def run_model(plan: Plan, results: Results, pair: tuple[int, int]) -> None:
    trained = step(f"{results.model}: train the model, or find it", lambda: model(results.model))
    for server in results.servers:
        if server.peer:
            attempt(results, server, "install", partial(environments.python, server.peer))
    with tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
        scratch = Path(directory)
        with published(trained, scratch) as store:
            site = Site(trained, store, scratch, pair)
            measure_all(plan, results, site)
            if results.model == FULL:
                measure_ours(plan, results, site)


def measure_all(plan: Plan, results: Results, site: Site) -> None:
    for number in range(1, plan.rounds + 1):
        for server in results.servers:
            what = f"{results.model}, round {number} of {plan.rounds}"
            figures = attempt(results, server, what, partial(measure, server, site, plan.seconds))
            if figures is not None:
                results.rounds.setdefault(server.name, []).append(figures)


def measure_ours(plan: Plan, results: Results, site: Site) -> None:
    """What only our own servers do."""
    for server in results.servers:
        if server.form and plan.flips:
            moved = attempt(results, server, "activations", partial(activation, server, site, plan.flips))
            if moved is not None:
                results.activations[server.name] = moved
    for server in results.servers:
        if server.form:
            beside = partial(bodies, server, site, plan.seconds)
            found = attempt(results, server, "the largest bodies", beside, results.unfinished)
            if found is not None:
                results.bodies[server.name] = found
    if any(server.name == COMPILED for server in results.servers):
        beside_hello = partial(forms.measure, site, list(forms.FORMS), forms.SECONDS, forms.ROUNDS)
        results.forms = attempt(results, forms.OURS, "wire forms", beside_hello, results.unfinished) or []
    if plan.events:
        for server, ways in [(PASSING, LIMITS), *((server, WAYS) for server in results.servers if server.form)]:
            for way in ways:
                count = partial(events, server, site, plan.events, way)
                counted = attempt(results, server, f"events, {way.title}", count, results.unfinished)
                if counted is not None:
                    results.events.setdefault(server.title, {})[way.title] = counted


def attempt(
    results: Results, server: Server, what: str, action: Callable[[], T], failed: dict[str, str] | None = None
) -> T | None:
    """None when it fails, and the reason in `failed`, which is `results.missing` unless the figures are to be kept.

    Nothing more is asked of a server that is in `missing`.
    """
    if server.name in results.missing:
        return None
    try:
        return step(f"{what}: {server.title}", action)
    except (ServeError, OSError, subprocess.SubprocessError, psutil.Error) as error:
        (results.missing if failed is None else failed)[server.name] = f"{what}: {error}"
        say(f"{server.title}: {error}")
        return None


def step(what: str, action: Callable[[], T]) -> T:
    began = time.monotonic()
    result = action()
    say(f"{time.monotonic() - began:6.1f} s  {what}")
    return result


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
