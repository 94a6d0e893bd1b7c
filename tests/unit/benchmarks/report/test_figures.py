"""Medians of the rounds, and the page with all figures."""

from __future__ import annotations

import pytest

from benchmarks.report import cost, page
from benchmarks.report.figures import Results, Run
from benchmarks.servers.table import COMPILED, NAIVE, NATIVE, RELAY
from unit.benchmarks.report.results import FIGURES, make_results

MACHINE = {"processor": "one, 2 cores", "measured": "2026-01-02"}


@pytest.fixture
def results() -> Results:
    return make_results()


def write_page(*models: Results) -> str:
    return page.document(Run(list(models), 50_000.0), MACHINE, 5.0, 3, cost.read_prices(), "benchmarks.svg")


def test_the_median_round_counts(results: Results) -> None:
    results.rounds[NATIVE] = [FIGURES | {"start": start} for start in (9.0, 3.0, 4.0)]
    assert results.figures()[NATIVE]["start"] == 4.0


def test_a_server_that_failed_in_a_later_round_has_no_figures(results: Results) -> None:
    results.missing[NAIVE] = "It stopped."
    assert NAIVE not in results.figures()
    assert not results.is_complete


def test_a_run_is_complete_when_all_its_models_are(results: Results) -> None:
    assert Run([results, make_results()]).is_complete
    assert not Run([results, Results("flights", results.servers)]).is_complete


def test_the_page_has_figures_ratios_reasons_and_verdicts(results: Results) -> None:
    text = write_page(results)
    assert "| modelserve, native | 4.00 s | 6.00 ms | 9.00 ms | 100 | 90 | 300 MiB |" in text
    assert "| modelserve, native | 10 / 1 | 10 / 1 | 0.1 / 1 | 0.1 / 1 | 10 / 1 |" in text
    assert "- Flask + gunicorn, 8 threads: It was not installed." in text
    assert "| requests/s, at least the best batching peer's | MISSED | 100 | 200 |" in text
    assert "processor: one, 2 cores; measured 2026-01-02." in text
    assert "only within one run" in text
    assert "](benchmarks.svg)" in text


def test_the_page_has_a_part_for_every_model(results: Results) -> None:
    text = write_page(
        results, Results("flights", results.servers, missing={COMPILED: "round 1: it cannot be compiled"})
    )
    assert "## churn: Telco" in text
    assert "## flights: minutes" in text
    assert "- modelserve, compiled: round 1: it cannot be compiled" in text


def test_the_page_has_events_and_later_failures(results: Results) -> None:
    results.events = {"modelserve, native": {"pulled": {"records": 2000.0, "rate": 400.0, "processor": 2.0}}}
    results.unfinished = {COMPILED: "events: none came", RELAY.name: "events: wrong"}
    text = write_page(results)
    assert "| modelserve, native | pulled | 2,000 | 400 | 2.000 ms | 80% |" in text
    assert "- modelserve, compiled: events: none came" in text
    assert f"- {RELAY.title}: events: wrong" in text


def test_the_page_has_costs_with_their_date_and_page(results: Results) -> None:
    prices = cost.read_prices()
    text = write_page(results)
    assert f"| modelserve, native | 512 MiB | ${prices.busy_cost(100, 300):.2f} |" in text
    assert prices.page in text
    assert f"recorded on {prices.recorded}" in text
    assert "Prices change" in text


def test_a_server_that_outgrows_one_processor_has_no_cost(results: Results) -> None:
    results.rounds[NATIVE] = [FIGURES | {"memory": 5000.0}]
    assert "| modelserve, native | more than one vCPU can have | - | - |" in write_page(results)


def test_a_server_with_a_constant_answer_has_no_cost(results: Results) -> None:
    assert "| limit: hello world, ASGI | 128 MiB |" not in write_page(results)
