"""Child processes: started, awaited until they answer, and stopped; none outlives its starter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from modelserve.core.errors import ServeError
from modelserve_control.common.errors import NoCheckout

LAUNCHER = Path(__file__).with_name("launcher.py")
SOURCES = Path(__file__).resolve().parents[3]

GRACE = 10.0  # seconds from SIGTERM to SIGKILL, as on Cloud Run
POLL = 0.02  # seconds
TAIL = 30  # log lines in an error

# A proxy of the environment knows nothing about addresses of this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Probe = Callable[[], bool]


class ProcessFailed(ServeError):
    """A process ended, or did not answer in time; the message ends with what it last wrote."""

    code = "PROCESS_FAILED"


class Child:
    """A running process. What it writes goes to the file `log`."""

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
        """None while it runs."""
        return self._process.poll()

    def wait_until(self, ready: Probe, seconds: float = 60.0) -> None:
        """Return as soon as `ready` says so. Raise `ProcessFailed` when the process ends or the time is over first."""
        end = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > end:
                raise ProcessFailed(f"{self.name} did not answer within {seconds:g} s. {self.tail()}")
            time.sleep(POLL)

    def check(self) -> None:
        """Raise `ProcessFailed` if it has ended, and end what it left."""
        if self.returncode is not None:
            self.kill()
            raise ProcessFailed(f"{self.name} ended with status {self.returncode}. {self.tail()}")

    def first_line(self) -> str:
        """What it wrote up to the first line end, or nothing yet."""
        line, end, _ = self.log.read_text(errors="replace").partition("\n")
        return line if end else ""

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return "Its last lines:\n" + "\n".join(lines) if lines else "It wrote nothing."

    def terminate(self) -> None:
        if self.returncode is None:
            self._process.terminate()

    def kill(self) -> None:
        """The whole process group: a server's workers would live on without it. Only once: then its id is free."""
        if self._group_ended:
            return
        self._group_ended = True
        _kill_group(self.pid)
        self._process.wait()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def checkout() -> Path:
    """The root of the source tree. Raises NoCheckout where only the package is installed."""
    if not (SOURCES / "functions").is_dir():
        raise NoCheckout(
            "This command works on the source tree of modelserve, and it runs from an installed package: run it in a "
            "checkout, after scripts/setup, as .venv/bin/modelserve."
        )
    return SOURCES


def launcher() -> list[str]:
    """Words before a command that make it end with this process."""
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())]


def module(name: str, *arguments: str) -> list[str]:
    """The command of a module of this environment. -P: a json.py where the user stands is no module of ours."""
    return [sys.executable, "-P", "-m", name, *arguments]


def start(name: str, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> Child:
    """Start `command` with exactly `environ` (default: this process's). Call it on a thread that lives as long as the
    child may, because the kernel ties the child to the thread."""
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
    """SIGTERM to all at once, SIGKILL to whichever still runs `grace` seconds later. Stopping twice is fine."""
    children = list(children)
    for child in children:
        child.terminate()
    end = time.monotonic() + grace
    for child in children:
        child.wait(max(0.0, end - time.monotonic()))
        child.kill()


@contextmanager
def running(
    name: str, command: Sequence[str], log: Path, ready: Probe, environ: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """A child that answers, stopped at the end."""
    child = start(name, command, log, environ)
    try:
        child.wait_until(ready)
        yield child
    finally:
        stop([child])


def with_sources(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for a Python of ours, which must find these packages also where they are not installed."""
    path = os.pathsep.join([str(SOURCES / "scripts"), str(SOURCES / "functions")])
    return {**environ, **direct(environ), "PYTHONPATH": path}


def direct(environ: Mapping[str, str]) -> dict[str, str]:
    """What keeps Google's clients from asking a proxy of `environ` for addresses of this machine."""
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = [host for host in given.split(",") if host]
    names = ",".join([*hosts, *(host for host in ("127.0.0.1", "localhost") if host not in hosts)])
    return {"NO_PROXY": names, "no_proxy": names}


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


class Commands:
    """Programs that run to their end, on any threads. Leaving ends those that still run, with all that they started."""

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


# --- is it ready? ---


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on. On Linux nobody else is given it as long as this process lives.

    A server may take seconds to listen, and meanwhile others ask for a free port, too.
    """
    keeper = socket.socket()
    keeper.bind(("127.0.0.1", 0))
    port: int = keeper.getsockname()[1]
    if sys.platform == "linux":
        # The server binds it once more: while nobody listens the kernel lets all who say this share a port that was asked for.
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.detach()
    else:
        keeper.close()
    return port


def listening(host: str) -> Probe:
    """`host` is `address:port`."""
    address, _, port = host.rpartition(":")

    def probe() -> bool:
        try:
            socket.create_connection((address, int(port)), 1).close()
        except OSError:
            return False
        return True

    return probe


def answering(url: str) -> Probe:
    """GET gives 200."""

    def probe() -> bool:
        try:
            with OPENER.open(url, timeout=2) as response:
                return int(response.status) == 200
        except (urllib.error.URLError, OSError):
            return False

    return probe
