"""Results of a run."""

from __future__ import annotations

from benchmarks.report.figures import Results
from benchmarks.servers.table import LIMIT, NAIVE, NATIVE, select_servers

FIGURES = {"start": 4.0, "p50": 6.0, "p99": 9.0, "rate": 100.0, "bulk": 90.0, "memory": 300.0}
ACTIVATION = {"steady_p99": 5.0, "activation_p99": 11.0, "activations": 10.0, "failed": 0.0}


def make_results() -> Results:
    """Naive and native are equal, the limit is ten times better, BentoML has twice the rate; no compiled form."""
    results = Results("churn", select_servers("bentoml,flask"))
    results.rounds = {NAIVE: [FIGURES], NATIVE: [FIGURES], "bentoml": [FIGURES | {"rate": 200.0}]}
    results.rounds[LIMIT] = [{key: value / 10 for key, value in FIGURES.items()} | {"rate": 1000.0, "bulk": 900.0}]
    results.missing = {"flask": "It was not\ninstalled."}
    results.activations = {NATIVE: ACTIVATION}
    return results
