"""Instances that are stopped as Cloud Run stops those without requests, and woken by one request each."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import httpx

from benchmarks import processors
from benchmarks.load.closed_loop import HOST
from benchmarks.measure.forms import OURS
from benchmarks.measure.round import FailedRequests
from benchmarks.model import load_model
from benchmarks.servers.running import RunningServer, Site, process_tree, run_server
from benchmarks.servers.storage import COMPILED_RUNTIME, VERSIONS, publish_model, run_command
from benchmarks.servers.table import Server

INSTANCES = 20
SECONDS = 90.0  # more than MODEL_MAX_STALE_SECONDS

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    moves: bool  # the alias, while the instances sleep
    at_once: bool  # all are woken together, on one processor


CASES = (
    Case("unmoved", "the alias has not moved, one after another", moves=False, at_once=False),
    Case("moved", "the alias was moved back, one after another", moves=True, at_once=False),
    Case("at-once", "the alias was moved back, all at once", moves=True, at_once=True),
)


def run(names: Sequence[str], seconds: float) -> dict[str, Figures]:
    pair = processors.choose_pair()
    with processors.pin_to(pair[1]), tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
        trained, scratch = load_model("churn"), Path(directory)
        with publish_model(trained, scratch, [COMPILED_RUNTIME]) as store:
            return waking(
                OURS, Site(trained, store, scratch, pair), [case for case in CASES if case.name in names], seconds
            )


def waking(server: Server, site: Site, cases: Sequence[Case], seconds: float) -> dict[str, Figures]:
    """For each case p50 and p99 of the first answer in milliseconds, and how many came from the version that was taken away."""
    with ExitStack() as stack:
        names = [replace(server, name=f"{server.name}-{number}") for number in range(INSTANCES)]
        running = [stack.enter_context(run_server(one, site)) for one in names]
        place = len(VERSIONS) - 1  # of the version that the alias names
        found = {}
        for case in cases:
            place = (place + case.moves) % len(VERSIONS)
            found[case.title] = sleep_and_wake(case, running, VERSIONS[place], seconds)
    return found


def sleep_and_wake(case: Case, running: Sequence[RunningServer], version: str, seconds: float) -> Figures:
    for one in running:
        send_signal(one, signal.SIGSTOP)
    if case.moves:
        move_alias(running[0].site, running[0].server, version)
    time.sleep(seconds)
    with ThreadPoolExecutor(len(running) if case.at_once else 1) as pool:
        answers = list(pool.map(wake, running))
    times = sorted(took for took, _ in answers)
    return {
        "p50": median(times) * 1e3,
        "p99": times[-1 - len(times) // 100] * 1e3,
        "old": sum(answered != version for _, answered in answers),
        "answers": len(answers),
    }


def wake(running: RunningServer) -> tuple[float, str]:
    """The seconds until the first answer, and the version that made it."""
    protocol = running.server.protocol
    body = protocol.encode(running.site.model.rows[:1])
    url = f"http://{HOST}:{running.port}{protocol.path}"
    with httpx.Client(trust_env=False, timeout=120) as client:
        began = time.perf_counter()
        send_signal(running, signal.SIGCONT)
        answer = client.post(url, content=body, headers={"content-type": protocol.content_type})
        took = time.perf_counter() - began
    if answer.status_code != 200 or not protocol.is_right(answer.content, running.site.model.expected[:1]):
        raise FailedRequests(f"{running.server.title} answered {answer.status_code} after it was woken.")
    return took, answer.headers["x-model-version"]


def send_signal(running: RunningServer, number: int) -> None:
    for process in process_tree(running.child.pid):
        os.kill(process.pid, number)


def move_alias(site: Site, server: Server, version: str) -> None:
    run_command(site.store, "promote", site.store.name(server.runtime), version, "--store", site.store.bucket)
