"""One server as a real process on its own processor, timed from its start to its first right answer."""

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

from benchmarks import environments, processors
from benchmarks.load import HOST, Load, drive, post
from benchmarks.model import Model
from benchmarks.pace import drive_at
from benchmarks.protocols import Protocol
from benchmarks.servers import PEERS, QUIET, Server
from benchmarks.storage import Store
from modelserve.core.errors import ServeError
from modelserve_control.common import processes
from modelserve_control.common.processes import Child

LONGEST_START = 120.0  # seconds
POLL = 0.01  # seconds
# What every server gets of this process's environment; all else would make runs differ.
KEPT = ("HOME", "LANG", "TMPDIR")
MIB = 1 << 20


class WrongAnswer(ServeError):
    """A server answered something else than `mlflow.pyfunc` does, or not at all."""

    code = "WRONG_ANSWER"


@dataclass(frozen=True)
class Site:
    """What the servers of one run share. `processors` are the server's and the load's."""

    model: Model
    store: Store
    directory: Path
    processors: tuple[int, int]


@dataclass(frozen=True)
class Running:
    """A server that has answered. `start` in seconds."""

    server: Server
    site: Site
    child: Child
    port: int
    start: float

    def with_protocol(self, protocol: Protocol) -> Running:
        return replace(self, server=replace(self.server, protocol=protocol))

    def request(self, rows: int) -> bytes:
        protocol = self.server.protocol
        return post(protocol.path, protocol.encode(self.site.model.rows[:rows]), protocol.content_type)

    def drive(self, rows: int, connections: int, seconds: float = math.inf, count: int | None = None) -> Load:
        """A load whose last answers were right. Raises WrongAnswer."""
        return self.right(drive(self.port, self.request(rows), connections, seconds, count), rows)

    def drive_at(self, rate: float, rows: int, connections: int, seconds: float) -> Load:
        """As `drive`, with `rate` requests a second."""
        return self.right(drive_at(self.port, self.request(rows), connections, seconds, rate), rows)

    def right(self, load: Load, rows: int) -> Load:
        """Raises WrongAnswer."""
        expected = self.site.model.expected[:rows]
        if not all(self.server.protocol.right(answer, expected) for answer in load.answers) or not load.answers:
            raise WrongAnswer(f"{self.server.title} answered wrongly under load: {reasons(load)}.")
        self.child.check()
        return load

    def memory(self) -> float:
        """MiB: the proportional set size of the process and all below it."""
        return float(sum(process.memory_full_info().pss for process in tree(self.child.pid))) / MIB


def reasons(load: Load) -> str:
    found = ", ".join(f"{count} x {reason}" for reason, count in load.failures.items())
    return found or "status 200 with other labels than mlflow.pyfunc gives"


def tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


@contextmanager
def started(server: Server, site: Site, settings: Mapping[str, str] | None = None) -> Iterator[tuple[Child, int]]:
    """A process and its port, which it may not listen on yet; gone with all its children at the end.

    `settings` are added to the server's own. Raises NotPublished when the server starts from a form that is not there.
    """
    python = environments.python(server.peer)
    port, *more = (processes.free_port() for _ in range(3))
    words = site_words(site, python) | {"port": str(port), "port2": str(more[0]), "port3": str(more[1])}
    words["scratch"] = str(site.directory / server.name)
    if server.form:
        words["uri"] = site.store.uri(server.form)
    Path(words["scratch"]).mkdir(exist_ok=True)
    environ = environment(python) | {
        name: text.format(**words) for name, text in ({**QUIET, **server.settings, **(settings or {})}).items()
    }
    command = [word.format(**words) for word in server.command]
    with processors.on(site.processors[0]):
        child = processes.start(server.title, command, site.directory / f"{server.name}.log", environ)
    try:
        yield child, port
    finally:
        end(child)


@contextmanager
def running(server: Server, site: Site, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Started, and right once."""
    began = time.perf_counter()
    with started(server, site, settings) as (child, port):
        first_right_answer(server, site, child, port)
        yield Running(server, site, child, port, time.perf_counter() - began)


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
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])}


def first_right_answer(server: Server, site: Site, child: Child, port: int) -> None:
    """Ask until the answer is right; a server that is not there yet refuses, cuts off or answers 503 meanwhile."""
    body = server.protocol.encode(site.model.rows[:1])
    end = time.monotonic() + LONGEST_START
    status, answer = 0, b""
    while time.monotonic() < end:
        child.check()
        try:
            status, answer = ask(port, server.protocol.path, body)
        except (OSError, http.client.HTTPException):
            status = 0
        if status == 200 and server.protocol.right(answer, site.model.expected[:1]):
            return
        time.sleep(POLL)
    said = answer[:200].decode(errors="replace")
    raise WrongAnswer(f"{server.title} gave no right answer within {LONGEST_START:g} s; last {status}: {said}")


def ask(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=LONGEST_START)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def end(child: Child) -> None:
    """Also the workers of a server that leaves them behind."""
    try:
        family = tree(child.pid)
    except psutil.NoSuchProcess:
        family = []
    processes.stop([child])
    for process in family:
        if process.is_running():
            process.kill()
    psutil.wait_procs(family, timeout=10)
