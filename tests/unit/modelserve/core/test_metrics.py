from __future__ import annotations

import subprocess
import sys

from modelserve.core.metrics import COUNTERS, Metrics
from modelserve_control.common import processes


def test_what_is_counted_is_in_the_text() -> None:
    metrics = Metrics(enabled=True)
    metrics.count("rows", 3)
    metrics.count("requests", route="/predict", status="200")
    metrics.count("extra_columns", 0)
    metrics.observe(0.002, "/predict")
    text = metrics.text().decode()
    assert "modelserve_rows_total 3.0" in text
    assert 'modelserve_requests_total{route="/predict",status="200"} 1.0' in text
    assert "modelserve_extra_columns_total 0.0" in text
    assert 'modelserve_request_seconds_bucket{le="0.0025",route="/predict"} 1.0' in text
    assert all(title in text for title, _, _ in COUNTERS.values())


def test_without_metrics_nothing_is_counted_and_nothing_imported() -> None:
    metrics = Metrics(enabled=False)
    metrics.count("activations", outcome="never")
    metrics.observe(1, "/never")
    assert b"never" not in metrics.text()
    code = (
        "import sys; from modelserve.core.metrics import Metrics; m = Metrics(False); m.count('rows', 3); m.observe(1, '/');"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_the_first_counts_may_come_from_several_threads_at_once() -> None:
    code = """
import sys, threading
from modelserve.core.metrics import Metrics
metrics, gate, failed = Metrics(True), threading.Barrier(8), []
def count():
    gate.wait()
    try:
        metrics.count("rows", 1)
    except Exception as error:
        failed.append(error)
threads = [threading.Thread(target=count) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(bool(failed) or b"modelserve_rows_total 8.0" not in metrics.text())
"""
    command, environ = [sys.executable, "-c", code], processes.with_sources({"PATH": ""})
    assert subprocess.run(command, env=environ, timeout=60, check=False).returncode == 0
