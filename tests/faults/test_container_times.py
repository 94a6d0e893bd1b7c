"""Clients of the container that take longer than they may. The good one is always answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from faults.clients import GET, POST, connected, read
from faults.containers import MOST, connections, container, empty, good
from serving import Served

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds


@pytest.fixture(scope="module")
def impatient(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With clients, not with idle connections."""
    with container(models, tmp_path_factory.mktemp("impatient"), client_seconds=1, idle_seconds=600) as made:
        yield made


@pytest.fixture
def hurried(impatient: Served) -> Served:
    return empty(impatient)


@pytest.fixture
def closing(models: Library, tmp_path: Path) -> Iterator[Served]:
    """Idle connections."""
    with container(models, tmp_path, client_seconds=1, idle_seconds=2) as made:
        yield empty(made)


@contextmanager
def asleep(served: Served) -> Iterator[None]:
    """What is sent meanwhile is there when the server sees the connection."""
    process = psutil.Process(served.child.pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@pytest.mark.parametrize(
    "sent", [b"GET /heal", GET, GET + b"x: y", POST % 100 + b'{"x":', POST.replace(b"%d", b"9") + b"1"]
)
def test_a_request_that_is_not_sent_in_time_is_given_up(hurried: Served, sent: bytes) -> None:
    with connected(hurried, sent) as connection:
        assert good(hurried)
        answer = read(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"CLIENT_TOO_SLOW" in answer


@pytest.mark.parametrize("sent", [GET + b"x: ", POST % 90_000], ids=["a head", "a body"])
def test_a_request_that_drips_is_given_up_as_one_that_stalls(hurried: Served, sent: bytes) -> None:
    """A byte at a time, for much longer than a client has."""
    with connected(hurried, sent) as connection:
        connection.settimeout(0.05)
        answer = b""
        for _ in range(200):
            with suppress(TimeoutError):
                answer = connection.recv(65_536)
                break
            connection.sendall(b" ")
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_request_behind_another_that_is_not_sent_in_time_is_given_up_too(hurried: Served) -> None:
    with connected(hurried, GET + b"\r\n" + POST % 100 + b'{"x":') as connection:
        answer = read(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 2
    assert b"HTTP/1.1 408" in answer


def test_the_rest_of_a_body_that_was_refused_is_waited_for_no_longer_than_any_request(hurried: Served) -> None:
    """And not for as long as a connection may be idle, as one is that was there before it."""
    with connected(hurried, GET + b"\r\n") as idle, connected(hurried, POST % 200_000) as connection:
        assert idle.recv(12) == b"HTTP/1.1 200"
        assert read(connection).startswith(b"HTTP/1.1 413")
        idle.sendall(GET + b"connection: close\r\n\r\n")
        assert read(idle).count(b'{"status":"ok"}') == 2


def test_who_takes_too_long_gives_its_place_to_another(hurried: Served) -> None:
    with ExitStack() as stack:
        for connection in [stack.enter_context(connected(hurried, GET)) for _ in range(MOST)]:
            assert read(connection).startswith(b"HTTP/1.1 408")
    hurried.child.wait_until(lambda: good(hurried))


def test_a_client_that_does_not_read_its_answers_is_let_go(hurried: Served) -> None:
    """Its answers are more than the system keeps for one that reads nothing."""
    rows = json.dumps([{"x": 1.0}] * 8_000).encode()
    with connected(hurried, receives=4_096) as connection:
        with suppress(ConnectionError):
            connection.sendall((POST % len(rows) + rows) * 60)
        hurried.child.wait_until(lambda: connections(hurried) == 0)
    assert good(hurried)


def test_an_idle_connection_is_closed(closing: Served) -> None:
    with ExitStack() as stack:
        with asleep(closing):
            silent = stack.enter_context(connected(closing))
            kept = stack.enter_context(connected(closing, GET + b"\r\n"))
        assert kept.recv(12) == b"HTTP/1.1 200"
        assert read(silent) == b""
        assert read(kept).endswith(b'{"status":"ok"}')
