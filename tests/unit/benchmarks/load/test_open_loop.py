"""The rate does not depend on the answers, and the latency of a late request counts from its due time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.load.closed_loop import CUT_OFF, Load, post
from benchmarks.load.open_loop import drive_at
from unit.benchmarks.load.test_closed_loop import SLOW_SECONDS, run_until


def drive_paced(path: str, least: int, connections: int, rate: float) -> tuple[float, Load, list[str]]:
    request = post(path, b"{}")
    return run_until(least, lambda port, seconds: drive_at(port, request, connections, seconds, rate))


def test_no_more_is_sent_than_is_due() -> None:
    seconds, load, requests = drive_paced("/invocations", 1, connections=2, rate=50)
    assert len(load.latencies) == len(requests) <= seconds * 50 + 1
    assert (set(load.answers), load.failures) == ({b"good"}, {})


def test_the_latency_of_a_late_request_counts_from_its_due_time() -> None:
    _, load, _ = drive_paced("/slow", 2, connections=1, rate=1_000)
    for before, latency in pairwise(load.latencies):
        assert latency >= before + SLOW_SECONDS - 1 / 1_000


@pytest.mark.parametrize("path", ["/closing", "/leaving", "/teapot"])
def test_a_new_connection_replaces_a_closed_one(path: str) -> None:
    _, load, requests = drive_paced(path, 3, connections=2, rate=50)
    load.failures.pop(CUT_OFF, 0)  # sent while the server closed the connection
    assert len(load.latencies) + load.failures.total() == len(requests)
