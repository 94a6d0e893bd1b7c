"""Clients that Cloud Run's front end would keep away, against the container's own bounds. The good one is always answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from faults.clients import GET, POST, connected, read
from faults.containers import HEADERS, MOST, container, empty, good
from serving import Served

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds


@pytest.fixture(scope="module")
def patient(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Nobody's time runs out."""
    with container(models, tmp_path_factory.mktemp("patient"), client_seconds=120, idle_seconds=600) as made:
        yield made


@pytest.fixture
def served(patient: Served) -> Served:
    return empty(patient)


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (GET + b"x: %b\r\n\r\n" % (b"a" * HEADERS), b"431", b"HEADERS_TOO_LARGE"),
        (GET + b"x: y\r\n" * 101 + b"\r\n", b"431", b"HEADERS_TOO_LARGE"),
        (GET + b"x: " + b"a" * (1 << 20), b"431", b"HEADERS_TOO_LARGE"),
        (b"GET /%b HTTP/1.1\r\nhost: a\r\n\r\n" % (b"a" * HEADERS), b"414", b"ADDRESS_TOO_LONG"),
        (b"GET /" + b"a" * (1 << 20), b"414", b"ADDRESS_TOO_LONG"),
    ],
    ids=["one long header", "101 headers", "a header without end", "a long address", "an address without end"],
)
def test_a_head_over_its_limit_is_refused(served: Served, head: bytes, status: bytes, code: bytes) -> None:
    with connected(served) as connection:
        with suppress(ConnectionError):  # it may be refused before all of it was sent
            connection.sendall(head)
        answer = read(connection)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b'"error_code":"' + code in answer
    assert good(served)


def test_a_head_within_its_limit_is_answered(served: Served) -> None:
    with connected(
        served, GET + b"x: y\r\n" * 95 + b"z: %b\r\nconnection: close\r\n\r\n" % (b"a" * 3_000)
    ) as connection:
        assert read(connection).startswith(b"HTTP/1.1 200")


def test_the_body_before_a_head_does_not_count_as_its_own(served: Served) -> None:
    """Two requests on one connection, and the second begins in the same piece as the end of the first."""
    body = b'{"x":1.0}'.ljust(3 * HEADERS)
    rest = b"connection: close\r\n\r\n"
    with connected(served, POST % len(body) + body + GET) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.sendall(rest)
        assert read(connection).endswith(b'{"status":"ok"}')


@pytest.mark.parametrize("pieces", [1, 2], ids=["in one piece", "body apart"])
@pytest.mark.parametrize("chunked", [False, True], ids=["a length", "chunks"])
def test_who_asks_for_another_protocol_is_answered_in_this_one(served: Served, pieces: int, chunked: bool) -> None:
    """As Java's own client does. Its body is its own, and never the next request."""
    body = b'{"x":1.0}'.ljust(60) if not chunked else b'3\r\n{"x\r\n6\r\n":1.0}\r\n0\r\n\r\n'
    head = POST % len(body) if not chunked else POST.replace(b"content-length: %d", b"transfer-encoding: chunked")
    asks = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n"
    head = head.removesuffix(b"\r\n") + asks
    rest = body + GET + b"upgrade: h2c\r\nconnection: upgrade\r\n\r\n" + GET + b"connection: close\r\n\r\n"
    with connected(served, head + rest if pieces == 1 else head) as connection:
        if pieces == 2:
            assert good(served)  # by then the head has been read
            connection.sendall(rest)
        answer = read(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1") == 3
    assert answer.count(b'{"status":"ok"}') == 2


def test_slow_clients_hold_up_nobody(served: Served) -> None:
    chunked = POST.replace(b"content-length: %d", b"transfer-encoding: chunked")
    halves = [b"GET /heal", GET, GET + b"x: y", POST % 100, POST % 100 + b'{"x":', chunked, chunked + b"9\r\n{"]
    with ExitStack() as held:
        for sent in halves[: MOST - 1]:
            held.enter_context(connected(served, sent))
        assert good(served)


def test_a_refused_connection_gives_no_other_its_place(served: Served) -> None:
    with ExitStack() as held:
        for _ in range(MOST):
            held.enter_context(connected(served, GET))
        refused = [held.enter_context(connected(served)) for _ in range(4)]
        assert [connection.recv(12) for connection in refused] == [b"HTTP/1.1 503"] * 4


def test_no_more_are_told_than_have_a_place(served: Served) -> None:
    with ExitStack() as held:
        for _ in range(MOST):
            held.enter_context(connected(served, GET))
        told = [held.enter_context(connected(served)) for _ in range(MOST)]
        assert [connection.recv(12) for connection in told] == [b"HTTP/1.1 503"] * MOST
        assert read(held.enter_context(connected(served))) == b""


def test_nobody_is_given_a_tunnel(served: Served) -> None:
    with connected(served, b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n" + GET + b"\r\n") as connection:
        answer = read(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1


def test_requests_that_are_sent_ahead_without_end_are_cut_off(served: Served) -> None:
    """uvicorn keeps each of them until the one before it is answered."""
    with connected(served) as connection:
        connection.settimeout(10)  # a server that keeps them all stops reading some time
        with pytest.raises(ConnectionError):
            send_ahead(connection, 20_000)
    assert good(served)


def send_ahead(connection: socket.socket, requests: int) -> None:
    for _ in range(requests):
        connection.sendall(GET + b"\r\n")


def test_the_longest_idle_connection_makes_room(served: Served) -> None:
    """Long before its own time."""
    with ExitStack() as stack:
        idle = []
        for _ in range(MOST):
            idle.append(stack.enter_context(connected(served, GET + b"\r\n")))
            assert idle[-1].recv(12) == b"HTTP/1.1 200"
            if len(idle) == 1:
                assert good(served)  # the server's clock counts milliseconds
        assert good(served)
        assert read(idle[0]).endswith(b'{"status":"ok"}')
        idle[-1].sendall(GET + b"connection: close\r\n\r\n")
        assert read(idle[-1]).count(b'{"status":"ok"}') == 2, "the others stay"


def test_with_none_idle_a_new_connection_is_told(served: Served) -> None:
    with ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(connected(served, GET))
        with connected(served, GET + b"\r\n") as one_more:
            answer = read(one_more)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"TOO_MANY_CONNECTIONS" in answer
    assert b"retry-after: 1" in answer


def test_a_trailer_is_no_header(served: Served) -> None:
    chunked = POST.replace(b"content-length: %d", b"transfer-encoding: chunked")
    sent = chunked + b'9\r\n{"x":1.0}\r\n0\r\nx-request-id: stolen\r\n\r\n'
    with connected(served, sent) as connection:
        head = connection.recv(65_536)
    assert head.startswith(b"HTTP/1.1 200")
    assert b"stolen" not in head


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01 tls", b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n"],
)
def test_what_is_no_request_is_refused_once(served: Served, sent: bytes) -> None:
    with connected(served, sent) as connection:
        answer = read(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
    assert good(served)


@pytest.mark.parametrize(
    "behind",
    [
        b"\x16\x03\x01 tls\r\n\r\n",
        GET + b"x: %b\r\n\r\n" % (b"a" * HEADERS),
        GET + b"x: y\r\n" * 101 + b"\r\n",
        b"POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\nno length\r\n",
    ],
    ids=["no request", "a long header", "101 headers", "a broken body"],
)
def test_what_is_wrong_behind_a_request_does_not_take_its_answer(served: Served, behind: bytes) -> None:
    """All of it is there before the first is answered, and every whole request is."""
    body = b'{"x":1.0}'
    with connected(served, POST % len(body) + body + GET + b"\r\n" + behind) as connection:
        answer = read(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1") == 2
    assert answer.endswith(b'{"status":"ok"}')
