"""The failure of one server does not affect the figures of the others."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import processors
from benchmarks.measure.round import FailedRequests, measure
from benchmarks.model import Model
from benchmarks.plan import attempt
from benchmarks.report.figures import Results
from benchmarks.servers.protocols import MLFLOW
from benchmarks.servers.running import Site
from benchmarks.servers.storage import Store
from benchmarks.servers.table import Server, select_servers


def test_the_report_quotes_a_server_that_does_not_start(tmp_path: Path) -> None:
    broken = Server("broken", "a broken server", MLFLOW, (sys.executable, "-c", "raise SystemExit('no such option')"))
    site = Site(Model("m", tmp_path, [{"x": 1}], ["no"]), Store("", "m"), tmp_path, processors.choose_pair())
    results = Results("churn", [broken])
    asked = [attempt(results, broken, "round", lambda: measure(broken, site, 0.1)) for _ in range(2)]
    assert asked == [None, None]
    assert "no such option" in results.missing["broken"]
    assert results.figures() == {}


def test_a_failure_after_the_rounds_keeps_the_figures(tmp_path: Path) -> None:
    server = select_servers("none")[0]
    results = Results("churn", [server], {server.name: [{"rate": 1.0}]})

    def fail() -> None:
        raise FailedRequests("none came")

    assert attempt(results, server, "events", fail, results.unfinished) is None
    assert results.unfinished == {server.name: "events: none came"}
    assert results.figures() == {server.name: {"rate": 1.0}}
