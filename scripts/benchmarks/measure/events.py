"""Events per second of `predict_event` and of the worker, from publication to the prediction on the predictions topic.

The scoring process has one processor to itself. The client and the Pub/Sub emulator share the other one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.load.closed_loop import HOST
from benchmarks.measure.round import FailedRequests
from benchmarks.servers.running import Site, process_tree, start_server
from benchmarks.servers.storage import BUCKET
from benchmarks.servers.table import Server
from modelserve_control.common import processes
from modelserve_control.common.processes import Child
from modelserve_control.local import emulators, resources
from modelserve_control.local.resources import Delivery, Names

PROJECT = "benchmark"
EVENTS = 2_000
# Long enough that no message is redelivered during a measurement.
DELIVERY = Delivery(ack_deadline=60)


ORDERED = {"ORDERED_PREDICTIONS": "true"}


@dataclass(frozen=True)
class Mode:
    """How events reach the model. `share` of the requested number of events are published, with `records` records each."""

    title: str
    worker: bool
    records: int = 1
    share: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict)


MODES = (
    Mode("pushed", worker=False),
    Mode("pushed, in order", worker=False, settings=ORDERED),
    Mode("pulled", worker=True),
    Mode("pulled, in order", worker=True, settings=ORDERED),
    Mode("100 records, pushed", worker=False, records=100, share=0.1),
    Mode("100 records, pulled", worker=True, records=100, share=0.1),
    Mode("100 records, pulled, in order", worker=True, records=100, share=0.02, settings=ORDERED),
)


# The modes in which the relay is measured.
LIMITS = (MODES[2], MODES[3])


def events(server: Server, site: Site, count: int, mode: Mode) -> Mapping[str, float]:
    """`records`, predictions per second (`rate`), and `processor` milliseconds of the server per record.

    Raises FailedRequests if a prediction is wrong or missing.
    """
    names = Names(PROJECT, BUCKET)
    directory = site.directory / f"{server.name}-events"
    directory.mkdir(exist_ok=True)
    messages = max(1, int(count * mode.share))
    with emulators.pubsub(directory) as host:
        resources.make_topics(host, names)
        if mode.worker:
            resources.make_pull(host, names, DELIVERY)
        more = {**settings(host, names), **mode.settings, "ROWS": str(site.model.rows_file)}
        with start_server(worker_server(server) if mode.worker else event_server(server), site, more) as (child, port):
            child.wait_until(processes.http_probe(f"http://{HOST}:{port}/health/ready"))
            if not mode.worker:
                resources.make_push(host, names, f"http://{HOST}:{port}/", DELIVERY)
            with start_client(host, site.model.rows_file, messages, mode.records) as process:
                read_line(process)
                before = processor_seconds(child)
                send_line(process)
                seconds = float(json.loads(read_line(process))["seconds"])
                used = processor_seconds(child) - before
    records = messages * mode.records
    return {"records": records, "rate": records / seconds, "processor": used / records * 1e3}


def event_server(server: Server) -> Server:
    """The same server with the entry point for events and its own log."""
    command = tuple("predict_event" if word == "predict" else word for word in server.command)
    return replace(server, name=f"{server.name}-event", command=command)


def worker_server(server: Server) -> Server:
    """A worker with the same model and settings. A server without a runtime is a worker already."""
    if server.runtime is None:
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
    times = [process.cpu_times() for process in process_tree(child.pid)]
    return float(sum(time.user + time.system for time in times))


@contextmanager
def start_client(host: str, rows: Path, messages: int, records: int) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.measure.publisher",
        host,
        PROJECT,
        str(rows),
        str(messages),
        str(records),
    ]
    environ = processes.with_sources({"PATH": "", "NO_GCE_CHECK": "true", "PUBSUB_EMULATOR_HOST": host})
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    """The next line. Raises FailedRequests with the last line of stderr if the process ends; it has its own time limit."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        words = process.stderr.read().strip() if process.stderr else ""
        raise FailedRequests(f"Some events got no prediction: {words.splitlines()[-1] if words else 'no reason'}")
    return line


def send_line(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.write("\n")
        process.stdin.flush()
