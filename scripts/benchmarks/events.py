"""Events per second, pushed to `predict_event` or pulled by the worker: published, scored, and counted on the predictions
topic.

What scores has its processor to itself; the Pub/Sub server, which is this repository's own, and the client share the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.load import HOST
from benchmarks.measure import FailedRequests
from benchmarks.running import Site, started, tree
from benchmarks.servers import Server
from benchmarks.storage import BUCKET
from modelserve_control.common import processes
from modelserve_control.common.processes import Child
from modelserve_control.local import emulators, resources
from modelserve_control.local.resources import Delivery, Names

PROJECT = "benchmark"
EVENTS = 2_000
# A message that is sent back would be counted late, and never as a success of the first attempt.
DELIVERY = Delivery(ack_deadline=60)


@dataclass(frozen=True)
class Way:
    """How events reach a model. `share` is the part of the events that is published as messages of `records` each."""

    title: str
    worker: bool
    records: int = 1
    share: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict)


ORDERED = {"ORDERED_PREDICTIONS": "true"}
WAYS = (
    Way("pushed", worker=False),
    Way("pushed, in order", worker=False, settings=ORDERED),
    Way("pulled", worker=True),
    Way("pulled, in order", worker=True, settings=ORDERED),
    Way("100 records, pushed", worker=False, records=100, share=0.1),
    Way("100 records, pulled", worker=True, records=100, share=0.1),
    Way("100 records, pulled, in order", worker=True, records=100, share=0.02, settings=ORDERED),
)


# What is possible without a model: each message goes on alone, or with all that came with it.
LIMITS = (WAYS[2], WAYS[3])


def events(server: Server, site: Site, count: int, way: Way) -> Mapping[str, float]:
    """`records`, how many were answered per second (`rate`), and `processor` milliseconds of the server per record.

    Raises FailedRequests when a prediction is wrong or does not come.
    """
    names = Names(PROJECT, BUCKET)
    directory = site.directory / f"{server.name}-events"
    directory.mkdir(exist_ok=True)
    messages = max(1, int(count * way.share))
    with emulators.pubsub(directory) as host:
        resources.make_topics(host, names)
        if way.worker:
            resources.make_pull(host, names, DELIVERY)
        more = {**settings(host, names), **way.settings, "ROWS": str(site.model.rows_file)}
        with started(working(server) if way.worker else listening(server), site, more) as (child, port):
            child.wait_until(processes.answering(f"http://{HOST}:{port}/health/ready"))
            if not way.worker:
                resources.make_push(host, names, f"http://{HOST}:{port}/", DELIVERY)
            with client(host, site.model.rows_file, messages, way.records) as process:
                said(process)
                before = processor_seconds(child)
                tell(process)
                seconds = float(json.loads(said(process))["seconds"])
                used = processor_seconds(child) - before
    records = messages * way.records
    return {"records": records, "rate": records / seconds, "processor": used / records * 1e3}


def listening(server: Server) -> Server:
    """The same server with the other entry point, and a log of its own."""
    command = tuple("predict_event" if word == "predict" else word for word in server.command)
    return replace(server, name=f"{server.name}-event", command=command)


def working(server: Server) -> Server:
    """The worker with the same model; what has none is one itself."""
    if server.form is None:
        return server
    command = ("{python}", "-m", "modelserve", "worker")
    more = {**server.settings, "PYTHONPATH": "{functions}"}
    return replace(server, name=f"{server.name}-worker", command=command, settings=more)


def settings(host: str, names: Names) -> dict[str, str]:
    return {
        "PUBSUB_EMULATOR_HOST": host,
        "PREDICTIONS_TOPIC": names.predictions,
        "DEAD_LETTER_TOPIC": names.dead_letter,
        "SUBSCRIPTION": names.events_pull,
    }


def processor_seconds(child: Child) -> float:
    times = [process.cpu_times() for process in tree(child.pid)]
    return float(sum(time.user + time.system for time in times))


@contextmanager
def client(host: str, rows: Path, messages: int, records: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.publisher", host, PROJECT, str(rows), str(messages), str(records)]
    environ = processes.with_sources({"PATH": "", "NO_GCE_CHECK": "true", "PUBSUB_EMULATOR_HOST": host})
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """Its next line. Raises FailedRequests with its last words when it ended instead; it bounds itself."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        words = process.stderr.read().strip() if process.stderr else ""
        raise FailedRequests(f"The events were not all answered: {words.splitlines()[-1] if words else 'no reason'}")
    return line


def tell(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.write("\n")
        process.stdin.flush()
