"""The command itself, as a process, between two function processes that serve the same store."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from command_line import TIMEOUT_SECONDS, finish
from contract.failover.compute import Compute
from contract.failover.rig import Rig
from contract.failover.scripted import NOT_READY, Scripted
from models.library import Library
from modelserve.core.errors import PreconditionFailed, ServeError
from modelserve_control.common.progress import Lines
from modelserve_control.deploy.failover.switch import SwitchOptions, switch
from serving import Served, release, serving

ROW = {f"G{place}": 1.0 for place in range(1, 11)}

TLS_HANDSHAKE = b"\x16"


@pytest.fixture(scope="module")
def store(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 and 2 of one model, and the alias at 2."""
    path = tmp_path_factory.mktemp("store")
    for _ in range(2):
        release(path, "linear", models.path("linear10"))
    return path


@pytest.fixture
def two(store: Path, tmp_path: Path) -> Iterator[tuple[Served, Served]]:
    """Two functions as the two sides, both of the champion."""
    settings = {"MODEL_URI": f"{store}/models/linear@champion", "MODEL_TRUST": "pickle"}
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(serving(tmp_path / f"{name}.log", settings)) for name in ("first", "second")
        )
        yield first, second


@pytest.fixture
def between(two: tuple[Served, Served], rig: Rig) -> Rig:
    return replace(rig, functions_url=two[0].url, gke_url=two[1].url)


def test_there_and_back_between_two_real_functions(between: Rig, compute: Compute, tmp_path: Path) -> None:
    row = tmp_path / "row.json"
    row.write_text(json.dumps(ROW))
    words = ("--request", row, "--watch", "2", "--allow-anonymous")
    moved = replace(between.command, cold=True).json("failover", "--to", "gke", *words)
    assert (moved["changed"], moved["compared"], moved["failed"]) == (True, True, 0)
    assert moved["probes"] >= 1
    assert compute.weights() == (0, 1000)
    text = between.command("failover", "--status").out
    assert [line.split()[:3] for line in text.splitlines()] == [
        ["SIDE", "REQUESTS", "READY"],
        ["functions", "0", "%"],
        ["gke", "100", "%"],
    ]
    assert text.count("linear version 2 (") == 2
    back = between.command("failover", "--to", "functions", "--weight", "99", *words)
    assert back.out == "functions 99 %, gke 1 %: moved\n"
    assert compute.weights() == (990, 10)


def test_a_real_function_with_another_version_gets_nothing(
    between: Rig, compute: Compute, store: Path, tmp_path: Path
) -> None:
    settings = {"MODEL_URI": f"{store}/models/linear/versions/1", "MODEL_TRUST": "pickle"}
    with serving(tmp_path / "old.log", settings) as old:
        rig = replace(between, gke_url=old.url)
        refused = rig.command.json("failover", "--to", "gke", "--wait", "0", "--allow-anonymous", code=1)
    assert refused["error_code"] == "VERSIONS_DIFFER"
    assert "gke serves linear version 1" in refused["message"]
    assert compute.weights() == (100, 0)


def test_a_real_function_that_dies_loses_its_requests(
    between: Rig, two: tuple[Served, Served], compute: Compute
) -> None:
    with between.command.started("failover", "--to", "gke", "--watch", "600", "--allow-anonymous") as command:
        await_line(command, "moved: functions 0 %, gke 100 %")
        two[1].child.kill()
        done = finish(command, code=1)
    assert "The weights are back: functions 100 %, gke 0 %." in done.err
    assert compute.weights() == (100, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_status_tells_the_truth_after_an_interruption(rig: Rig, compute: Compute, number: signal.Signals) -> None:
    with rig.command.started("failover", "--to", "gke", "--weight", "30", "--watch", "600") as command:
        await_line(command, "moved: functions 70 %, gke 30 %")
        command.send_signal(number)
        done = finish(command, code=130 if number == signal.SIGINT else -number)
    assert ("gke is not watched any more" in done.err) == (number == signal.SIGINT)
    assert compute.weights() == (700, 300)
    found = rig.command.json("failover", "--status")
    assert found["weights"]["gke"] == {"weight": 300, "percent": 30}
    assert found["same_model"] is True


def test_of_two_at_once_one_wins_and_the_other_is_told(rig: Rig, compute: Compute) -> None:
    balancer = rig.balancer()
    seen, sides = balancer.read(), rig.sides(balancer)

    def move(weight: int) -> int | ServeError:
        try:
            switch(rig.balancer(), seen, sides, SwitchOptions("gke", weight, wait=0, watch=0), Lines(rig.output))
        except ServeError as error:
            return error
        return weight

    with ThreadPoolExecutor(2) as both:
        ends = list(both.map(move, [20, 60]))
    (winner,) = (end for end in ends if isinstance(end, int))
    (loser,) = (end for end in ends if not isinstance(end, int))
    assert isinstance(loser, PreconditionFailed)
    assert f"gke {winner} %" in loser.message
    assert compute.weights() == (1000 - 10 * winner, 10 * winner)


def test_a_refusal_is_one_sentence(rig: Rig, gke_side: Scripted) -> None:
    gke_side.health = NOT_READY
    refused = rig.command("failover", "--to", "gke", "--wait", "0", code=1)
    assert refused.out == ""
    assert refused.err == (
        "modelserve: gke is not ready: GET /health/ready gave 503 MODEL_NOT_READY: No version is active. Nothing was moved.\n"
    )


@pytest.mark.parametrize("words", [(), ("--to", "gke", "--status"), ("--to", "gke", "--weight", "101")])
def test_an_order_must_be_whole(rig: Rig, words: tuple[str, ...]) -> None:
    assert "Usage" in rig.command("failover", *words, code=2).err


def test_without_a_gateway_address_the_load_balancers_is_taken(rig: Rig, compute: Compute) -> None:
    environment = {name: value for name, value in rig.command.environment.items() if name != "MODELSERVE_GKE_URL"}
    with closing(socket.create_server(("127.0.0.1", 0))) as gateway, ThreadPoolExecutor(1) as other:
        host = f"127.0.0.1:{gateway.getsockname()[1]}"
        compute.services["modelserve-gateway"]["customRequestHeaders"] = [f"Host: {host}", "X-Modelserve-Origin: t"]
        first = other.submit(first_byte, gateway)
        found = replace(rig.command, environment=environment).json("failover", "--status")
        assert first.result() == TLS_HANDSHAKE
    assert found["sides"]["gke"] == {
        "ready": False,
        "reason": "GET /health/ready: no answer (ConnectError)",
        "model": None,
    }


def first_byte(listener: socket.socket) -> bytes:
    """Of the first connection, which is then ended."""
    listener.settimeout(TIMEOUT_SECONDS)
    connection, _ = listener.accept()
    with connection:
        return connection.recv(1)


def await_line(command: subprocess.Popen[str], wanted: str) -> None:
    stream = command.stderr
    assert stream is not None
    lines = list(wait_until(stream, wanted))
    assert lines[-1:] == [wanted], lines


def wait_until(stream: IO[str], wanted: str) -> Iterator[str]:
    for line in stream:
        yield line.rstrip("\n")
        if line.rstrip("\n") == wanted:
            return
