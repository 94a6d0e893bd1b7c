"""Verdicts on every target of both runtimes, if the compared figures exist."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.report import verdicts
from benchmarks.report.figures import Results
from benchmarks.report.page import verdict_row
from benchmarks.report.verdicts import Verdict
from benchmarks.servers.table import COMPILED, LIMIT, NAIVE, NATIVE
from unit.benchmarks.report.results import ACTIVATION, FIGURES, make_results

# Exactly at the bounds that the figures of the limit set.
COMPILED_FIGURES = {"start": 0.8, "p50": 1.2, "p99": 1.0, "rate": 500.0, "bulk": 360.0, "memory": 60.0}


@pytest.fixture
def results() -> Results:
    return make_results()


@pytest.fixture
def fast(results: Results) -> Results:
    """With a compiled form that meets every target, and no peers."""
    del results.rounds["bentoml"]
    results.rounds[COMPILED] = [COMPILED_FIGURES]
    results.activations[COMPILED] = ACTIVATION | {"activation_p99": 10.0}
    return results


def missed_targets(found: Sequence[Verdict]) -> set[str]:
    return {verdict.target.partition(",")[0] for verdict in found if not verdict.is_met}


def test_native_is_compared_with_naive_the_best_batching_peer_and_its_own_steady_state(results: Results) -> None:
    assert missed_targets(verdicts.native_verdicts(results)) == {"requests/s", "p99 while versions are activated"}
    results.rounds[NATIVE] = [FIGURES | {"p50": 6.31, "rate": 200.0, "bulk": 89.0}]
    assert missed_targets(verdicts.native_verdicts(results)) == {
        "p50",
        "100-row requests/s",
        "p99 while versions are activated",
    }


def test_without_batching_peers_there_are_no_verdicts_about_them(results: Results) -> None:
    del results.rounds["bentoml"]
    assert missed_targets(verdicts.native_verdicts(results)) == {"p99 while versions are activated"}
    assert len(verdicts.native_verdicts(results)) == 5


def test_compiled_is_compared_with_hello_world_and_its_own_steady_state(fast: Results) -> None:
    assert len(verdicts.compiled_verdicts(fast)) == 7
    assert missed_targets(verdicts.compiled_verdicts(fast)) == set()


@pytest.mark.parametrize(
    ("figure", "value", "target"),
    [
        ("start", 0.81, "start"),
        ("p50", 1.21, "p50"),
        ("rate", 499.0, "requests/s"),
        ("bulk", 359.0, "100-row requests/s"),
        ("memory", 61.0, "memory"),
    ],
)
def test_compiled_misses_a_target_alone(fast: Results, figure: str, value: float, target: str) -> None:
    fast.rounds[COMPILED] = [COMPILED_FIGURES | {figure: value}]
    assert missed_targets(verdicts.compiled_verdicts(fast)) == {target}


@pytest.mark.parametrize(
    ("value", "said"), [(10_019.4, "10,019"), (999.99, "1,000"), (75.914, "75.91"), (0.19314, "0.1931")]
)
def test_a_figure_is_printed_without_an_exponent(value: float, said: str) -> None:
    assert verdict_row(Verdict("memory", value, 2 * value))[:3] == ["memory", "met", said]


def test_compiled_is_ten_times_as_fast_as_the_best_peer_batching_or_not(fast: Results) -> None:
    del fast.missing["flask"]
    fast.rounds["flask"] = [FIGURES | {"rate": 50.0}]
    assert missed_targets(verdicts.compiled_verdicts(fast)) == set()
    fast.rounds["flask"] = [FIGURES | {"rate": 50.1}]
    assert missed_targets(verdicts.compiled_verdicts(fast)) == {"requests/s"}


def test_without_the_compared_server_there_are_no_verdicts(fast: Results) -> None:
    fast.missing |= {NAIVE: "It stopped.", LIMIT: "It stopped."}
    assert (verdicts.native_verdicts(fast), verdicts.compiled_verdicts(fast)) == ([], [])


def test_one_failed_request_at_an_activation_misses_the_target() -> None:
    assert missed_targets(verdicts.activation_verdicts(ACTIVATION | {"failed": 1.0, "activation_p99": 10.0})) == {
        "failed requests while versions are activated"
    }


BODIES = {"json_p99": 50.0, "parquet_p99": 50.0, "peak": 1024.0, "late": 0.0, "answered": 7.0, "refused": 73.0}


@pytest.mark.parametrize(
    ("figure", "value", "target"),
    [
        ("json_p99", 50.1, "p99 of one-row requests with one largest JSON body"),
        ("parquet_p99", 50.1, "p99 of one-row requests with one largest Parquet body"),
        ("peak", 1025.0, "memory with 80 largest bodies at once"),
        ("late", 1.0, "of 80 largest bodies neither answered nor refused at once"),
    ],
)
def test_the_largest_bodies_have_targets(fast: Results, figure: str, value: float, target: str) -> None:
    fast.bodies[COMPILED] = BODIES
    assert (missed_targets(verdicts.compiled_verdicts(fast)), len(verdicts.compiled_verdicts(fast))) == (set(), 11)
    fast.bodies[COMPILED] = BODIES | {figure: value}
    assert missed_targets(verdicts.compiled_verdicts(fast)) == {target}
