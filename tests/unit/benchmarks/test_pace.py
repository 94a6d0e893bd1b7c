"""A fixed rate is kept whatever the answers take, and what is late counts from when it was due."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.load import CUT_OFF, post
from benchmarks.pace import drive_at
from unit.benchmarks.test_load import SLOW_SECONDS, serving


def test_no_more_is_sent_than_is_due() -> None:
    with serving() as (port, requests):
        load = drive_at(port, post("/invocations", b"{}"), connections=2, seconds=0.3, rate=20)
    assert 0 < len(load.latencies) == len(requests) <= 0.3 * 20 + 1
    assert (set(load.answers), load.failures) == ({b"good"}, {})


def test_what_waits_for_an_answer_before_it_has_waited_for_the_server() -> None:
    with serving() as (port, _):
        load = drive_at(port, post("/slow", b"{}"), connections=1, seconds=5 * SLOW_SECONDS, rate=1_000)
    assert len(load.latencies) > 1
    for before, latency in pairwise(load.latencies):
        assert latency >= before + SLOW_SECONDS - 1 / 1_000


@pytest.mark.parametrize("path", ["/closing", "/leaving", "/teapot"])
def test_a_connection_that_ends_gives_its_place_to_another(path: str) -> None:
    with serving() as (port, requests):
        load = drive_at(port, post(path, b"{}"), connections=2, seconds=0.3, rate=50)
    load.failures.pop(CUT_OFF, 0)  # sent just when the server left
    assert len(load.latencies) + load.failures.total() == len(requests) > 0
