"""A fixed rate is kept whatever the answers take, and what is late counts from when it was due."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.load import CUT_OFF, Load, post
from benchmarks.pace import drive_at
from unit.benchmarks.test_load import SLOW_SECONDS, run_until


def drive_paced(path: str, least: int, connections: int, rate: float) -> tuple[float, Load, list[str]]:
    request = post(path, b"{}")
    return run_until(least, lambda port, seconds: drive_at(port, request, connections, seconds, rate))


def test_no_more_is_sent_than_is_due() -> None:
    seconds, load, requests = drive_paced("/invocations", 1, connections=2, rate=50)
    assert len(load.latencies) == len(requests) <= seconds * 50 + 1
    assert (set(load.answers), load.failures) == ({b"good"}, {})


def test_what_waits_for_an_answer_before_it_has_waited_for_the_server() -> None:
    _, load, _ = drive_paced("/slow", 2, connections=1, rate=1_000)
    for before, latency in pairwise(load.latencies):
        assert latency >= before + SLOW_SECONDS - 1 / 1_000


@pytest.mark.parametrize("path", ["/closing", "/leaving", "/teapot"])
def test_a_connection_that_ends_gives_its_place_to_another(path: str) -> None:
    _, load, requests = drive_paced(path, 3, connections=2, rate=50)
    load.failures.pop(CUT_OFF, 0)  # sent just when the server left
    assert len(load.latencies) + load.failures.total() == len(requests)
