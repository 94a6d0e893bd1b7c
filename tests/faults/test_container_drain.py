"""SIGTERM to each entry point of the container: what was accepted is answered, and the process has ended in ten seconds."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from contract.events.topics import push_body
from faults.clients import GET, POST, connected, read
from faults.proxy import wait_for
from hosting import Pulls, hosting, pulled
from serving import PATIENT, Served, release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

ROW = {"x": 1.0, "seconds": 0.0}
# Requests are taken for some seconds after SIGTERM, and answered however late the gate is opened.
UNHURRIED = {"DRAIN_SECONDS": "4", **PATIENT}
# Seconds. With the defaults a process ends itself 9.6 s after SIGTERM, and a model that nobody lets go on ends after 60.
ENDED = 30.0


@pytest.fixture(scope="module")
def pulls() -> Iterator[Pulls]:
    """What was leased comes again when it is nacked, and otherwise not while the tests run."""
    with pulled("drain", ack_deadline_seconds=600) as made:
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


def left(pulls: Pulls, count: int) -> int:
    """How many messages nobody has acked, once there are so many: what was nacked comes a little later."""
    found = 0

    def enough() -> bool:
        nonlocal found
        found += pulls.left()
        return found >= count

    wait_for(enough, 5)  # a lease that nobody gives back ends only later
    return found


@pytest.mark.parametrize(
    ("kind", "path", "body"), [("http", "/predict", ROW), ("events", "/", push_body(ROW, "drained"))]
)
def test_readiness_goes_first_and_accepted_requests_are_answered(
    models: Library, pulls: Pulls, tmp_path: Path, kind: str, path: str, body: object
) -> None:
    gate = tmp_path / "gate"
    content = json.dumps(body).encode()
    with held(models, kind, pulls, gate, **UNHURRIED) as served, ExitStack() as exit:
        sent = POST.replace(b"/predict", path.encode()) % len(content) + content
        waiting = [exit.enter_context(connected(served, sent)) for _ in range(4)]
        served.child.wait_until(lambda: called(gate))
        for _ in range(2):  # so what was sent before has been read
            assert served.client.get("/health/live").status_code == 200
        served.child.terminate()
        served.child.wait_until(lambda: not_ready(served))
        answer = served.client.get("/health/live")  # still taken, on a connection that ends with it
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        gate.touch()
        assert [connection.recv(12) for connection in waiting] == [b"HTTP/1.1 200"] * 4
        assert served.child.wait(ENDED)
        assert served.child.returncode == 0
        with pytest.raises(httpx.TransportError):
            served.client.get("/health/live")
    if kind == "events":
        assert len(pulls.predictions(4)) == 4


@contextmanager
def quick(models: Library, path: Path, drain_seconds: float) -> Iterator[Served]:
    """A model that answers at once."""
    release(path / "store", "two", models.path("two_outputs"), runtime="compiled")
    uri = {"MODEL_URI": f"{path}/store/models/two@champion", "DRAIN_SECONDS": str(drain_seconds), **PATIENT}
    with hosting("http", path / "log", uri) as made:
        yield made


def count_unanswered(served: Served) -> int:
    """Requests that were sent on an open connection and got no answer, until no new connection is taken."""
    unanswered = 0
    while True:
        with ExitStack() as exit:
            try:
                connection = exit.enter_context(connected(served))
            except ConnectionRefusedError:
                return unanswered
            except ConnectionResetError:  # the port was closed before it was accepted, so another one is refused
                with pytest.raises(ConnectionRefusedError):
                    exit.enter_context(connected(served))
                return unanswered
            unanswered += not ask_until_closed(connection)


def ask_until_closed(connection: socket.socket) -> bool:
    """Whether every request that was sent has its answer."""
    body = b'{"x":1.0}'
    answer = b""
    while not is_closed(connection) and b"connection: close" not in answer:
        try:
            connection.sendall(POST % len(body) + body)
            answer = read_answer(connection)
        except ConnectionError:
            return False
        if not answer.startswith(b"HTTP/1.1 200"):
            return False
    return True


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has said that it takes no more: who has sent nothing has lost nothing."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(60)


def read_answer(connection: socket.socket) -> bytes:
    """Nothing when the connection ends before it."""
    answer = b""
    while not answer.endswith(b'{"prediction":[1.0,-1.0]}'):
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        answer += chunk
    return answer


@pytest.mark.parametrize("drain_seconds", [0, 0.3])
def test_forty_clients_that_go_on_sending_lose_no_request(
    models: Library, tmp_path: Path, drain_seconds: float
) -> None:
    """Without a drain on connections that are kept, and during it on one for each request."""
    with quick(models, tmp_path, drain_seconds) as served, ThreadPoolExecutor(40) as pool:
        asking = [pool.submit(count_unanswered, served) for _ in range(40)]
        served.child.wait_until(lambda: all(future.running() for future in asking))
        served.child.terminate()
        assert [future.result() for future in asking] == [0] * 40
        assert served.child.wait(ENDED)
        assert served.child.returncode == 0


def test_a_request_that_has_begun_is_answered_when_it_ends_after_the_drain(models: Library, tmp_path: Path) -> None:
    with quick(models, tmp_path, drain_seconds=0) as served, connected(served, GET) as connection:
        assert served.client.get("/health/live").status_code == 200  # so the other has been read
        served.child.terminate()
        served.child.wait_until(lambda: is_refused(served))
        connection.sendall(b"\r\n")
        assert read(connection).endswith(b'{"status":"ok"}')
        assert served.child.wait(ENDED)
        assert served.child.returncode == 0


def is_refused(served: Served) -> bool:
    try:
        with connected(served):
            return False
    except ConnectionRefusedError:
        return True


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
        assert served.child.wait(ENDED)
    if kind == "worker":
        assert left(pulls, 1) == 1, "the message was nacked"


def test_a_worker_finishes_what_it_has_leased_and_asks_for_no_more(
    models: Library, pulls: Pulls, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with held(models, "worker", pulls, gate, MAX_LEASED_MESSAGES="10", **UNHURRIED) as worker:
        pulls.publish(*(json.dumps(ROW).encode() for _ in range(30)))
        worker.child.wait_until(lambda: called(gate))
        worker.child.terminate()
        worker.child.wait_until(lambda: not_ready(worker))
        gate.touch()
        assert worker.child.wait(ENDED)
        assert worker.child.returncode == 0
        answered = len(pulls.predictions(1))
        assert answered <= 10
        assert answered + left(pulls, 30 - answered) == 30
