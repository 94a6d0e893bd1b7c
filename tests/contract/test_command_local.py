"""`modelserve local` with both functions as real processes. No model is published, so none becomes active."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from faults.proxy import wait_for
from http_server import WAIT_SECONDS
from modelserve_control.common import processes
from modelserve_control.common.processes import http_probe, port_probe

COMMAND = [sys.executable, "-m", "modelserve_control.local.local"]


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of a user with nothing running yet; what a failing test has kept is taken down."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}
    made = processes.with_sources({**kept, "TMPDIR": str(tmp_path)})
    yield made
    if any(tmp_path.glob("modelserve-local-*/pid")):
        run(made, "down")


def run(environ: dict[str, str], *arguments: str) -> tuple[int, Any]:
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], env=environ, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@contextmanager
def start_up(environ: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`up` in the foreground; killed when the test fails, since it would be waited for without end."""
    with subprocess.Popen([*COMMAND, "up", *arguments], env=environ, stdout=subprocess.PIPE, text=True) as command:
        try:
            yield command
        except BaseException:
            command.kill()
            raise


def wait_until_live(address: str) -> None:
    """Asked as often as it takes: the machine may have stood still."""
    wait_for(http_probe(f"{address}/health/live"), WAIT_SECONDS)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_everything_ends_with_the_command(environ: dict[str, str], stop: signal.Signals) -> None:
    if stop == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux tells a process that its parent has died")
    with start_up(environ, "--json") as command:
        assert command.stdout
        addresses = json.loads(command.stdout.readline())
        children = psutil.Process(command.pid).children(recursive=True)
        wait_until_live(addresses["predict"])
        wait_until_live(addresses["predict_event"])
        ports = [int(addresses[function].rpartition(":")[2]) for function in ("predict", "predict_event")]
        functions = [child for child in children if any(listens(child, port) for port in ports)]
        given = [child.environ() for child in functions]
        command.send_signal(stop)
        command.wait(60)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    assert not port_probe(addresses["pubsub"])()
    assert {own["MODEL_REFRESH_SECONDS"] for own in given} == {"1"}  # a promotion is served at once
    assert {own["SHADOW_TOPIC"] for own in given} == {addresses["topics"]["shadow"]}


def test_a_kept_stack_runs_until_it_is_taken_down(environ: dict[str, str]) -> None:
    status, addresses = run(environ, "up", "--keep")
    try:
        assert status == 0
        wait_until_live(addresses["predict"])
        status, error = run(environ, "up", "--keep")
        assert (status, error["error_code"]) == (1, "ALREADY_RUNNING")
        assert run(environ, "status") == (0, {"running": True} | addresses)
        wait_for(lambda: "no alias champion" in run(environ, "logs", "predict")[1]["text"], WAIT_SECONDS)
        assert "==> predict_event <==" in run(environ, "logs")[1]["text"]
        status, error = run(environ, "logs", "nothing")
        assert (status, error["error_code"]) == (1, "NOT_FOUND")
    finally:
        assert run(environ, "down") == (0, {"stopped": True})
    assert not port_probe(addresses["pubsub"])()
    assert not Path(addresses["logs"]).exists()
    assert run(environ, "down") == (0, {"stopped": False})
    assert run(environ, "status") == (1, {"running": False})


def test_a_person_is_told_how_to_publish_to_it(environ: dict[str, str]) -> None:
    with start_up(environ) as command:
        assert command.stdout
        shown = dict(
            line.rstrip().split(maxsplit=1) for line in iter(command.stdout.readline, "Stop it with: Ctrl-C\n")
        )
        command.terminate()
    asked = (
        f"to it with: STORAGE_EMULATOR_HOST={shown['storage']} modelserve publish SOURCE --name NAME --alias champion"
    )
    assert shown["Publish"] == f"{asked} --store gs://{shown['bucket']}"
    for kind in ("topic", "subscription"):  # the last of each
        assert shown[kind].split()[1].startswith(f"projects/modelserve-local/{kind}s/")


def test_a_function_that_cannot_start_is_reported_with_its_last_lines(environ: dict[str, str]) -> None:
    status, error = run(environ, "up", "--env", "FUNCTION_SIGNATURE_TYPE=none")
    assert (status, error["error_code"]) == (1, "PROCESS_FAILED")
    assert "'none' is not one of" in error["message"]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--env", "NOEQ", "--env takes NAME=VALUE, not 'NOEQ'."),
        ("--bucket", "Bad Name", "A bucket name has"),
        ("--model", "s3://x/y", "--model 's3://x/y' is neither a name nor a MODEL_URI."),
    ],
)
def test_a_bad_option_is_refused_before_anything_starts(
    environ: dict[str, str], option: str, value: str, said: str
) -> None:
    status, error = run(environ, "up", "--keep", option, value)
    assert (status, error["error_code"]) == (2, "BAD_SETTING")
    assert said in error["message"]


def test_a_kept_stack_that_cannot_start_says_what_its_own_process_said(environ: dict[str, str]) -> None:
    status, error = run(environ, "up", "--keep", "--env", "MAX_ROWS=abc")
    assert (status, error["error_code"]) == (1, "PROCESS_FAILED")
    assert "MAX_ROWS" in error["message"]
    assert run(environ, "down") == (0, {"stopped": False})


def test_a_storage_server_that_does_not_answer_is_named(environ: dict[str, str]) -> None:
    address = f"http://127.0.0.1:{processes.free_port()}"
    status, error = run({**environ, "STORAGE_EMULATOR_HOST": address}, "up")
    assert (status, error["error_code"]) == (1, "STORE_UNAVAILABLE")
    assert f"{address} does not answer" in error["message"]


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(environ: dict[str, str]) -> None:
    proxy = f"http://127.0.0.1:{processes.free_port()}"
    proxies = {"HTTP_PROXY": proxy, "http_proxy": proxy, "https_proxy": proxy, "NO_PROXY": "example.com"}
    status, _ = run({**environ, **proxies}, "up", "--keep")
    assert status == 0
    assert run(environ, "down") == (0, {"stopped": True})


def test_a_kept_stack_that_lost_a_function_ends_and_says_so(environ: dict[str, str]) -> None:
    _, addresses = run(environ, "up", "--keep")
    stack = psutil.Process(int((Path(environ["TMPDIR"]) / f"modelserve-local-{os.getuid()}" / "pid").read_text()))
    everything = [stack, *stack.children(recursive=True)]
    port = int(addresses["predict"].rpartition(":")[2])
    master = next(child for child in stack.children() if listens(child, port))
    master.kill()
    _, alive = psutil.wait_procs(everything, timeout=60)
    assert alive == []
    status, result = run(environ, "down")
    assert (status, result["stopped"]) == (0, False)
    assert "predict ended with status -9" in Path(result["log"]).read_text()


def listens(process: psutil.Process, port: int) -> bool:
    return any(found.laddr.port == port for found in process.net_connections() if found.status == psutil.CONN_LISTEN)
