from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from modelserve_control.common import processes
from modelserve_control.common.processes import ProcessFailed

PYTHON = [sys.executable, "-I", "-S", "-u", "-c"]

READY = "print('ready'); import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); " + STUBBORN
)


def start(code: str, directory: Path) -> processes.Child:
    child = processes.start("the child", [*PYTHON, code], directory / "log")
    child.wait_until(lambda: child.first_line() == "ready", 30)
    return child


def test_a_child_that_ends_early_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    code = "print('one'); print('cannot find the model'); raise SystemExit(3)"
    child = processes.start("the child", [*PYTHON, code], tmp_path / "log")
    with pytest.raises(ProcessFailed, match=r"(?s)the child ended with status 3.*cannot find the model"):
        child.wait_until(lambda: False, 30)


def test_a_child_that_never_answers_is_reported_and_can_still_be_stopped(tmp_path: Path) -> None:
    child = start(READY, tmp_path)
    with pytest.raises(ProcessFailed, match=r"did not answer within 0\.1 s"):
        child.wait_until(lambda: False, 0.1)
    processes.stop([child])
    assert child.returncode == -signal.SIGTERM


def test_a_program_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    child = processes.start("the child", ["no-such-program"], tmp_path / "log")
    with pytest.raises(ProcessFailed, match="cannot start no-such-program: No such file"):
        child.wait_until(lambda: False, 30)


def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(tmp_path: Path) -> None:
    child = start(PARENT, tmp_path)
    (grandchild,) = psutil.Process(child.pid).children()
    processes.stop([child], grace=0.1)
    assert child.returncode == -signal.SIGKILL
    grandchild.wait(30)


def test_stopping_twice_is_fine(tmp_path: Path) -> None:
    child = start(READY, tmp_path)
    processes.stop([child])
    processes.stop([child])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_a_child_ends_with_its_starter_even_when_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import pathlib, sys, time; from modelserve_control.common import processes; "
        f"child = processes.start('the child', {[*PYTHON, READY]!r}, pathlib.Path({str(log)!r})); "
        "child.wait_until(lambda: child.first_line() == 'ready', 30); print(child.pid, flush=True); time.sleep(60)"
    )
    environ = processes.with_sources(os.environ)
    with subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        child = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
    child.wait(30)


def test_the_environment_is_exactly_the_given_one(tmp_path: Path) -> None:
    code = "import os; print(','.join(sorted(set(os.environ) - {'LC_CTYPE'})))"
    child = processes.start("the child", [*PYTHON, code], tmp_path / "log", {"ONLY": "this"})
    assert child.wait(30)
    assert child.first_line() == "ONLY"


def test_nobody_answers_on_a_free_port() -> None:
    host = f"127.0.0.1:{processes.free_port()}"
    assert not processes.port_probe(host)()
    assert not processes.http_probe(f"http://{host}/")()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port that is kept cannot be bound once more")
def test_a_free_port_is_given_to_nobody_else_until_its_server_listens() -> None:
    port = processes.free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):
        assert processes.port_probe(f"127.0.0.1:{port}")()
