"""The load counts every request once, whatever the server does with it."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.load import CUT_OFF, REFUSED, Load, drive, post
from modelserve_control import processes

SLOW_SECONDS = 0.05
REQUEST = post("/invocations", b'{"dataframe_records":[]}')


class Server(ThreadingHTTPServer):
    """Knows the addresses that were asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers as its address says: /invocations rightly, /closing once per connection, /cut never, /teapot with 418,
    /slow after SLOW_SECONDS; /leaving ends the connection without having said so."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    server: Server

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        if len(self.rfile.read(length)) != length or self.path == "/cut":
            self.close_connection = True
            return
        self.server.requests.append(self.path)
        self.close_connection = self.path == "/leaving"
        if self.path == "/slow":
            time.sleep(SLOW_SECONDS)
        self.send_response(418 if self.path == "/teapot" else 200)
        self.send_header("content-length", "4")
        if self.path == "/closing":
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(b"good")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def serving() -> Iterator[tuple[int, list[str]]]:
    """The port, and the addresses that were asked for."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], server.requests
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("path", ["/invocations", "/closing"])
def test_a_count_is_sent_exactly_and_every_connection_keeps_its_last_answer(path: str) -> None:
    with serving() as (port, requests):
        load = drive(port, post(path, b"{}"), connections=4, count=50)
    assert (len(requests), len(load.latencies), load.failures) == (50, 50, {})
    assert 1 <= len(load.answers) <= 4
    assert set(load.answers) == {b"good"}
    assert all(latency > 0 for latency in load.latencies)
    assert load.rate == pytest.approx(50 / load.seconds)


def test_a_run_ends_when_its_time_is_over() -> None:
    with serving() as (port, requests):
        load = drive(port, REQUEST, connections=2, seconds=0.1)
    assert len(load.latencies) == len(requests) > 0
    assert load.seconds >= 0.1


def test_another_status_is_a_failure_and_has_no_latency() -> None:
    with serving() as (port, _):
        load = drive(port, post("/teapot", b"{}"), connections=2, count=10)
    assert (len(load.latencies), load.failures) == (0, {"status 418": 10})


def test_a_request_without_an_answer_is_a_failure() -> None:
    with serving() as (port, _):
        load = drive(port, post("/cut", b"{}"), connections=2, count=10)
    assert (len(load.latencies), load.failures) == (0, {CUT_OFF: 10})


def test_a_server_that_is_not_there_is_a_failure_per_connection() -> None:
    load = drive(processes.free_port(), REQUEST, connections=3, count=10)
    assert (len(load.latencies), load.failures) == (0, {REFUSED: 3})


def test_a_run_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds or a count"):
        drive(1, REQUEST, connections=1)


def test_percentiles_are_latencies_that_were_seen() -> None:
    load = Load(array("d", [0.004, 0.001, 0.003, 0.002]))
    assert [load.percentile(share) for share in (0.25, 0.5, 0.75, 0.99, 1.0)] == [0.001, 0.002, 0.003, 0.004, 0.004]
