"""One server as a real process on its own processor, timed from its start to its first correct answer."""

from __future__ import annotations

import http.client
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks import processors
from benchmarks.load.closed_loop import HOST, Load, drive, post
from benchmarks.load.open_loop import drive_at
from benchmarks.model import Model
from benchmarks.servers import environments
from benchmarks.servers.protocols import Protocol
from benchmarks.servers.storage import Store
from benchmarks.servers.table import PEERS, QUIET, Server
from modelserve.core.errors import ServeError
from modelserve_control.common import processes
from modelserve_control.common.processes import Child

MAX_START_SECONDS = 120.0
POLL_SECONDS = 0.01
# Environment variables that a server inherits. Others could make runs differ.
INHERITED = ("HOME", "LANG", "TMPDIR")
MIB = 1 << 20


class WrongAnswer(ServeError):
    """The answer differs from `mlflow.pyfunc`, or there is none."""

    code = "WRONG_ANSWER"


@dataclass(frozen=True)
class Site:
    """What the servers of one run share. `processors`: of the server and of the load."""

    model: Model
    store: Store
    directory: Path
    processors: tuple[int, int]


@dataclass(frozen=True)
class RunningServer:
    """A server after its first correct answer. `start`: the seconds that it took."""

    server: Server
    site: Site
    child: Child
    port: int
    start: float

    def with_protocol(self, protocol: Protocol) -> RunningServer:
        return replace(self, server=replace(self.server, protocol=protocol))

    def request(self, rows: int) -> bytes:
        protocol = self.server.protocol
        body = protocol.encode(self.site.model.rows[:rows])
        return post(protocol.path, body, protocol.content_type, protocol.headers(body))

    def drive(self, rows: int, connections: int, seconds: float = math.inf, count: int | None = None) -> Load:
        """Raises WrongAnswer unless the last answer of each connection is correct."""
        return self.check_answers(drive(self.port, self.request(rows), connections, seconds, count), rows)

    def drive_at(self, rate: float, rows: int, connections: int, seconds: float) -> Load:
        """Like `drive`, with `rate` requests per second."""
        return self.check_answers(drive_at(self.port, self.request(rows), connections, seconds, rate), rows)

    def check_answers(self, load: Load, rows: int) -> Load:
        """Raises WrongAnswer."""
        expected = self.site.model.expected[:rows]
        if not all(self.server.protocol.is_right(answer, expected) for answer in load.answers) or not load.answers:
            raise WrongAnswer(f"{self.server.title} failed under load: {failure_reasons(load)}.")
        self.child.check()
        return load

    def memory(self) -> float:
        """Proportional set size in MiB of the process and its descendants."""
        return float(sum(process.memory_full_info().pss for process in process_tree(self.child.pid))) / MIB

    def processor_seconds(self) -> float:
        """Processor time of the process and its descendants."""
        return sum(map(processor_seconds, process_tree(self.child.pid)))


def processor_seconds(process: psutil.Process) -> float:
    """To the nanosecond: https://docs.kernel.org/scheduler/sched-stats.html."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def failure_reasons(load: Load) -> str:
    found = ", ".join(f"{count} x {reason}" for reason, count in load.failures.items())
    if not load.answers:
        return found or "none within the time"
    return found or "status 200 with labels that differ from those of mlflow.pyfunc"


def process_tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


@contextmanager
def start_server(server: Server, site: Site, settings: Mapping[str, str] | None = None) -> Iterator[tuple[Child, int]]:
    """Yield the process and the port that it will listen on; stop it with all its children at the end.

    `settings` are added to those of the server. Raises NotPublished if the store lacks the server's runtime.
    """
    python = environments.python(server.peer)
    port, *more = (processes.free_port() for _ in range(3))
    words = site_words(site, python) | {"port": str(port), "port2": str(more[0]), "port3": str(more[1])}
    words["scratch"] = str(site.directory / server.name)
    if server.runtime:
        words["uri"] = site.store.uri(server.runtime)
    Path(words["scratch"]).mkdir(exist_ok=True)
    environ = environment(python) | {
        name: text.format(**words) for name, text in ({**QUIET, **server.settings, **(settings or {})}).items()
    }
    command = [word.format(**words) for word in server.command]
    with processors.pin_to(site.processors[0]):
        child = processes.start(server.title, command, site.directory / f"{server.name}.log", environ)
    try:
        yield child, port
    finally:
        stop_server(child)


@contextmanager
def run_server(server: Server, site: Site, settings: Mapping[str, str] | None = None) -> Iterator[RunningServer]:
    """Start the server and wait for its first correct answer."""
    began = time.perf_counter()
    with start_server(server, site, settings) as (child, port):
        wait_for_right_answer(server, site, child, port)
        yield RunningServer(server, site, child, port, time.perf_counter() - began)


def site_words(site: Site, python: Path) -> dict[str, str]:
    return {
        "python": str(python),
        "bin": str(python.parent),
        "peers": str(PEERS),
        "functions": str(processes.SOURCES / "functions"),
        "model": str(site.model.directory),
        "storage": site.store.url,
    }


def environment(python: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return kept | {"PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])}


def wait_for_right_answer(server: Server, site: Site, child: Child, port: int) -> None:
    """Until it is ready, a server may refuse or close connections or answer with 503."""
    body = server.protocol.encode(site.model.rows[:1])
    end = time.monotonic() + MAX_START_SECONDS
    status, answer = 0, b""
    while time.monotonic() < end:
        child.check()
        try:
            status, answer = send(port, server.protocol.path, body)
        except (OSError, http.client.HTTPException):
            status = 0
        if status == 200 and server.protocol.is_right(answer, site.model.expected[:1]):
            return
        time.sleep(POLL_SECONDS)
    text = answer[:200].decode(errors="replace")
    raise WrongAnswer(f"{server.title} gave no correct answer within {MAX_START_SECONDS:g} s; last {status}: {text}")


def send(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=MAX_START_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def stop_server(child: Child) -> None:
    """Also stop workers that the server leaves behind."""
    try:
        family = process_tree(child.pid)
    except psutil.NoSuchProcess:
        family = []
    processes.stop([child])
    for process in family:
        if process.is_running():
            process.kill()
    psutil.wait_procs(family, timeout=10)
