"""Child processes: start them, wait until they answer, stop them. None outlives its starter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

from modelserve.core.errors import BadSetting, ServeError
from modelserve_control.common.errors import NoCheckout
from modelserve_control.common.services.polling import poll

LAUNCHER = Path(__file__).with_name("launcher.py")
SOURCES = Path(__file__).resolve().parents[3]

GRACE = 10.0  # seconds from SIGTERM to SIGKILL, as on Cloud Run
POLL = 0.02  # seconds
TAIL = 30  # log lines in an error

Probe = Callable[[], bool]


class ProcessFailed(ServeError):
    """A process ended, or did not answer in time. The message ends with its last log lines."""

    code = "PROCESS_FAILED"


class Child:
    """A running process. Its output goes to the file `log`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._group_ended = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def wait_until(self, ready: Probe, seconds: float = 60.0) -> None:
        for _ in poll(seconds, POLL):
            if ready():
                return
            self.check()
        raise ProcessFailed(f"{self.name} did not answer within {seconds:g} s. {self.tail()}")

    def check(self) -> None:
        if self.returncode is not None:
            self.kill()
            raise ProcessFailed(f"{self.name} ended with status {self.returncode}. {self.tail()}")

    def first_line(self) -> str:
        line, end, _ = self.log.read_text(errors="replace").partition("\n")
        return line if end else ""

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return "Its last lines:\n" + "\n".join(lines) if lines else "It wrote nothing."

    def terminate(self) -> None:
        if self.returncode is None:
            self._process.terminate()

    def kill(self) -> None:
        """Kills the whole process group, because a server's workers outlive it. Only once: afterwards the id may be reused."""
        if self._group_ended:
            return
        self._group_ended = True
        _kill_group(self.pid)
        self._process.wait()

    def wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def checkout() -> Path:
    if not (SOURCES / "functions").is_dir():
        raise NoCheckout(
            "This command needs the source tree of modelserve, but runs from an installed package: run it in a "
            "checkout, after scripts/setup, as .venv/bin/modelserve."
        )
    return SOURCES


def launcher() -> list[str]:
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]


def module(name: str, *arguments: str, python: Sequence[str] = (sys.executable,)) -> list[str]:
    """The command that runs a module. -P: a json.py in the current directory must not shadow the standard library's."""
    return [*python, "-P", "-m", name, *arguments]


def start(name: str, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> Child:
    """`environ` replaces this process's environment. Call it on a thread that outlives the child, because the kernel ties
    the child to the thread."""
    with log.open("wb") as output:
        # No preexec_fn: it would run Python, and gRPC's fork handlers, in a copy of a process with many threads.
        process = subprocess.Popen(
            [*launcher(), *command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(name, process, log)


def stop(children: Iterable[Child], grace: float = GRACE) -> None:
    """Sends SIGTERM to all, and SIGKILL to those that still run `grace` seconds later. Can be called again."""
    children = list(children)
    for child in children:
        child.terminate()
    end = time.monotonic() + grace
    for child in children:
        child.wait(max(0.0, end - time.monotonic()))
        child.kill()


@contextmanager
def run_child(
    name: str, command: Sequence[str], log: Path, ready: Probe, environ: Mapping[str, str] | None = None
) -> Iterator[Child]:
    child = start(name, command, log, environ)
    try:
        child.wait_until(ready)
        yield child
    finally:
        stop([child])


def with_sources(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` in which Python finds these packages even where they are not installed."""
    path = os.pathsep.join([str(SOURCES / "scripts"), str(SOURCES / "functions")])
    return {**environ, **without_proxy(environ), "PYTHONPATH": path}


def without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that keep clients from using a proxy of `environ` for addresses of this machine."""
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [host for host in given.split(",") if host]
    names = ",".join([*hosts, *(host for host in ("127.0.0.1", "localhost") if host not in hosts)])
    return {"NO_PROXY": names, "no_proxy": names}


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


class Commands:
    """Runs programs to their end, on any threads. Leaving the block kills those that still run, with their children."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Commands:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            if process.returncode is None:
                _kill_group(process.pid)

    def run(self, words: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str, str]:
        """The exit code, stdout and stderr."""
        pipe = subprocess.PIPE
        command = [*launcher(), *words]
        process = subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        self._running.append(process)
        out, err = process.communicate()
        return process.returncode, out, err


# --- readiness ---


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on. On Linux it stays reserved while this process lives, because a server
    may take seconds to listen while others ask for a free port."""
    keeper = socket.socket()
    keeper.bind(("127.0.0.1", 0))
    port: int = keeper.getsockname()[1]
    if sys.platform == "linux":
        # The server binds the port again: while nobody listens, sockets with SO_REUSEADDR may share it.
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.detach()
    else:
        keeper.close()
    return port


def check_port(host: str, port: int) -> int:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as error:
            raise BadSetting(
                f"Port {port} cannot be used ({error.strerror}); choose another --port, or 0 for a free one."
            ) from None
    return port


def port_probe(host: str) -> Probe:
    address, _, port = host.rpartition(":")

    def probe() -> bool:
        try:
            socket.create_connection((address, int(port)), 1).close()
        except OSError:
            return False
        return True

    return probe


def http_probe(url: str) -> Probe:
    from modelserve_control.common.errors import ServiceUnreachable
    from modelserve_control.common.services.client import ServiceClient  # httpx takes 0.1 s to import

    client = ServiceClient(url, timeout=2.0, keep_alive=False)

    def probe() -> bool:
        try:
            return client.get("").status_code == HTTPStatus.OK
        except ServiceUnreachable:
            return False

    return probe
