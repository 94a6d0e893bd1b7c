"""An open port means a version that answers, and one that cannot be loaded does not keep it closed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from faults.test_loads import calls
from hosting import hosting
from modelserve_control.common import processes
from modelserve_control.common.processes import GRACE, SOURCES
from serving import CLEAN, Functions, release, run_child, serving

# After it the master of functions-framework would end a worker that gives no sign of life while it loads.
SETTINGS = {"MODEL_TRUST": "pickle", "HOST": "127.0.0.1", "CLOUD_RUN_TIMEOUT_SECONDS": "2"}
FUNCTION = {"FUNCTION_TARGET": "predict", "FUNCTION_SOURCE": str(SOURCES / "functions" / "main.py")}
HOSTS = {
    "function": (["functions_framework"], FUNCTION | {"FUNCTION_USE_ASGI": "true"}),
    "container": (["modelserve", "http"], {"PYTHONPATH": str(SOURCES / "functions")}),
}


def is_open(port: int) -> bool:
    with socket.socket() as made:
        return made.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("end", ["loaded", "stopped"])
@pytest.mark.parametrize("host", HOSTS)
def test_the_port_is_closed_until_the_version_is_active(
    host: str, end: str, functions: Functions, tmp_path: Path
) -> None:
    gate, port = tmp_path / "gate", processes.free_port()
    release(tmp_path / "store", "stuck", functions.models.stuck(gate))
    command, environ = HOSTS[host]
    environ = {name: os.environ[name] for name in CLEAN if name in os.environ} | SETTINGS | environ
    environ |= {"PORT": str(port), "MODEL_URI": f"{tmp_path}/store/models/stuck@champion"}
    with run_child(
        host, [sys.executable, "-m", *command], tmp_path / "log", lambda: calls(gate) == 1, environ
    ) as child:
        assert not is_open(port)
        if end == "stopped":
            os.kill(child.pid, signal.SIGTERM)
            assert child.wait(GRACE)
            assert child.returncode == 0
        else:
            gate.touch()
            child.wait_until(lambda: is_open(port))
            assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("seconds", "reason"), [("4", "LOAD_TIMEOUT_SECONDS (4 s)"), ("600", "There is no alias")])
def test_a_version_that_cannot_be_loaded_opens_the_port_and_readiness_says_why(
    host: str, seconds: str, reason: str, functions: Functions, tmp_path: Path
) -> None:
    release(tmp_path / "store", "stuck", functions.models.stuck(tmp_path / "gate"))
    alias = "champion" if seconds == "4" else "other"
    environ = SETTINGS | {"MODEL_URI": f"{tmp_path}/store/models/stuck@{alias}", "LOAD_TIMEOUT_SECONDS": seconds}
    serve = hosting("http", tmp_path / "log", environ, ready="/health/live")
    if host == "function":
        serve = serving(tmp_path / "log", environ, ready="/health/live")
    with serve as served:
        served.child.wait_until(lambda: reason in served.client.get("/health/ready").text)
        assert served.client.get("/health/ready").status_code == 503


def test_a_function_on_a_port_that_is_taken_says_so_and_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command, environ = HOSTS["function"]
        environ = {name: os.environ[name] for name in CLEAN if name in os.environ} | SETTINGS | environ | {"PORT": port}
        words = [sys.executable, "-m", *command]
        done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, f"modelserve: port {port} cannot be bound: Address already in use.\n")
