"""The load counts every request once, whatever the server does."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from benchmarks.load.closed_loop import CUT_OFF, REFUSED, Load, drive, post
from http_server import GONE, Answer, Handler, http_server
from modelserve_control.common import processes

SLOW_SECONDS = 0.05
SHORT, LONGEST = 0.1, 60.0  # seconds of a run
REQUEST = post("/invocations", b'{"dataframe_records":[]}')


@contextmanager
def serve() -> Iterator[tuple[int, list[str]]]:
    """The port, and the paths of all requests. The path selects the behaviour: /invocations answers, /closing answers once per
    connection, /cut never answers, /teapot answers 418, /slow waits SLOW_SECONDS, /leaving closes without announcing it."""
    requests: list[str] = []

    class ScriptedHandler(Handler):
        def answer(self, body: bytes) -> Answer:
            if self.path == "/cut":
                return GONE
            requests.append(self.path)
            self.close_connection = self.path == "/leaving"
            if self.path == "/slow":
                time.sleep(SLOW_SECONDS)
            headers = {"connection": "close"} if self.path == "/closing" else {}
            return 418 if self.path == "/teapot" else 200, headers, b"good"

    with http_server(ScriptedHandler) as url:
        yield urlsplit(url).port or 0, requests


def run_until(least: int, run: Callable[[int, float], Load]) -> tuple[float, Load, list[str]]:
    """Repeat the run with more time until it has at least `least` requests, because a busy machine may stall. Returns the
    seconds, the load and the paths of the last run."""
    seconds = SHORT
    while True:
        with serve() as (port, requests):
            load = run(port, seconds)
        if len(requests) >= least:
            return seconds, load, requests
        seconds *= 5
        assert seconds < LONGEST, f"{len(requests)} requests were sent, and no more are"


@pytest.mark.parametrize("path", ["/invocations", "/closing"])
def test_a_count_is_sent_exactly_and_every_connection_keeps_its_last_answer(path: str) -> None:
    with serve() as (port, requests):
        load = drive(port, post(path, b"{}"), connections=4, count=50)
    assert (len(requests), len(load.latencies), load.failures) == (50, 50, {})
    assert 1 <= len(load.answers) <= 4
    assert set(load.answers) == {b"good"}
    assert all(latency > 0 for latency in load.latencies)
    assert load.rate == pytest.approx(50 / load.seconds)


def test_a_run_ends_when_its_time_is_over() -> None:
    seconds, load, requests = run_until(1, lambda port, seconds: drive(port, REQUEST, connections=2, seconds=seconds))
    assert len(load.latencies) == len(requests)
    assert load.seconds >= seconds


def test_another_status_is_a_failure_and_has_no_latency() -> None:
    with serve() as (port, _):
        load = drive(port, post("/teapot", b"{}"), connections=2, count=10)
    assert (len(load.latencies), load.failures) == (0, {"status 418": 10})


def test_a_request_without_an_answer_is_a_failure() -> None:
    with serve() as (port, _):
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
