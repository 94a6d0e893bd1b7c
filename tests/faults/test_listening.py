"""LOAD_BEFORE_LISTEN: an open port means a version that answers, and one that cannot be loaded does not keep it closed."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

from faults.test_loads import calls
from hosting import hosting
from modelserve_control.common import processes
from modelserve_control.common.processes import GRACE, SOURCES
from serving import CLEAN, Functions, release

SETTINGS = {"MODEL_TRUST": "pickle", "LOAD_BEFORE_LISTEN": "true", "HOST": "127.0.0.1"}


def is_open(port: int) -> bool:
    with socket.socket() as made:
        return made.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("end", ["loaded", "stopped"])
def test_the_port_is_closed_until_the_version_is_active(end: str, functions: Functions, tmp_path: Path) -> None:
    gate, port = tmp_path / "gate", processes.free_port()
    release(tmp_path / "store", "stuck", functions.models.stuck(gate))
    environ = {name: os.environ[name] for name in CLEAN if name in os.environ} | SETTINGS
    environ |= {"PYTHONPATH": str(SOURCES / "functions"), "PORT": str(port)}
    environ |= {"MODEL_URI": f"{tmp_path}/store/models/stuck@champion"}
    command = [sys.executable, "-m", "modelserve", "http"]
    with processes.run_child("http", command, tmp_path / "log", lambda: calls(gate) == 1, environ) as child:
        assert not is_open(port)
        if end == "stopped":
            os.kill(child.pid, signal.SIGTERM)
            assert child.wait(GRACE)
            assert child.returncode == 0
        else:
            gate.touch()
            child.wait_until(lambda: is_open(port))
            assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200


@pytest.mark.parametrize(("seconds", "reason"), [("1", "LOAD_TIMEOUT_SECONDS (1 s)"), ("600", "There is no alias")])
def test_a_version_that_cannot_be_loaded_opens_the_port_and_readiness_says_why(
    seconds: str, reason: str, functions: Functions, tmp_path: Path
) -> None:
    release(tmp_path / "store", "stuck", functions.models.stuck(tmp_path / "gate"))
    alias = "champion" if seconds == "1" else "other"
    environ = SETTINGS | {"MODEL_URI": f"{tmp_path}/store/models/stuck@{alias}", "LOAD_TIMEOUT_SECONDS": seconds}
    with hosting("http", tmp_path / "log", environ, ready="/health/live") as served:
        served.child.wait_until(lambda: reason in served.client.get("/health/ready").text)
        assert served.client.get("/health/ready").status_code == 503
