"""SIGTERM to each entry point of the container: what was accepted is answered, and the process has ended in ten seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from contract.events.topics import push_body
from hosting import Pulls, hosting, pulled
from modelserve_control.processes import GRACE
from serving import Served

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

ROW = {"x": 1.0, "seconds": 0.0}


@pytest.fixture(scope="module")
def pulls() -> Iterator[Pulls]:
    with pulled("drain") as made:
        yield made


@contextmanager
def held(models: Library, kind: str, pulls: Pulls, gate: Path, **more: str) -> Iterator[Served]:
    """An entry point whose model waits for `gate`."""
    settings = {"MODEL_URI": str(models.slow(gate)), "MODEL_TRUST": "pickle", **pulls.settings, **more}
    with hosting(kind, gate.with_name("log"), settings) as made:
        yield made


def called(gate: Path) -> bool:
    return gate.with_name(f"{gate.name}.calls").exists()


def not_ready(served: Served) -> bool:
    return served.client.get("/health/ready").status_code == 503


@pytest.mark.parametrize(("kind", "body"), [("http", ROW), ("events", push_body(ROW, "drained"))])
def test_readiness_goes_first_and_accepted_requests_are_answered(
    models: Library, pulls: Pulls, tmp_path: Path, kind: str, body: object
) -> None:
    gate = tmp_path / "gate"
    with held(models, kind, pulls, gate) as served, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(served.post, "/", body) for _ in range(4)]
        served.child.wait_until(lambda: called(gate))
        served.child.terminate()
        served.child.wait_until(lambda: not_ready(served))
        answer = served.client.get("/health/live")  # still taken, on a connection that ends with it
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        gate.touch()
        assert [future.result().status_code for future in waiting] == [200] * 4
        assert served.child.wait(GRACE)
        assert served.child.returncode == 0
        with pytest.raises(httpx.TransportError):
            served.client.get("/health/live")
    if kind == "events":
        assert len(pulls.predictions(4)) == 4


@pytest.mark.parametrize("kind", ["http", "worker"])
def test_a_model_that_never_answers_does_not_hold_the_process(
    models: Library, pulls: Pulls, tmp_path: Path, kind: str
) -> None:
    gate = tmp_path / "gate"
    with held(models, kind, pulls, gate) as served, ThreadPoolExecutor(1) as pool:
        if kind == "worker":
            pulls.publish(json.dumps(ROW).encode())
        else:
            pool.submit(httpx.post, f"{served.url}/predict", json=ROW, trust_env=False, timeout=30)
        served.child.wait_until(lambda: called(gate))
        served.child.terminate()
        assert served.child.wait(2 * GRACE)
    if kind == "worker":
        assert pulls.left() == 1, "the message was nacked"


def test_a_worker_finishes_what_it_has_leased_and_asks_for_no_more(
    models: Library, pulls: Pulls, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with held(models, "worker", pulls, gate, MAX_LEASED_MESSAGES="10") as worker:
        pulls.publish(*(json.dumps(ROW).encode() for _ in range(30)))
        worker.child.wait_until(lambda: called(gate))
        worker.child.terminate()
        worker.child.wait_until(lambda: not_ready(worker))
        gate.touch()
        assert worker.child.wait(GRACE)
        assert worker.child.returncode == 0
        answered = len(pulls.predictions(1))
        assert answered <= 10
        assert answered + pulls.left() == 30
