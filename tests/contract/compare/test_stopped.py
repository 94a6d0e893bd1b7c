"""A comparison that is stopped leaves nothing; one of many rows takes no more memory than one of few."""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import CommandLine, finish
from faults.proxy import wait_for
from models.library import Library
from serving import release


@pytest.mark.parametrize("stopped_by", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stopped_comparison_leaves_no_report_and_no_process(
    models: Library, tmp_path: Path, stopped_by: signal.Signals
) -> None:
    gate = tmp_path / "gate"
    store, reports = tmp_path / "store", tmp_path / "reports"
    reports.mkdir()
    model = models.slow(gate)
    for _ in range(2):
        release(store, "slow", model)
    pq.write_table(pa.table({"x": [1.0], "seconds": [0.0]}), tmp_path / "rows.parquet")
    command = CommandLine(str(store), {"MODEL_TRUST": "pickle", "TMPDIR": str(tmp_path)})
    words = ("--data", tmp_path / "rows.parquet", "--html", reports / "a.html", "--markdown", reports / "a.md")
    running = command.start("compare", "slow", "1", "2", *words)
    calls = gate.with_name("gate.calls")
    wait_for(calls.exists, 60)
    workers = psutil.Process(running.pid).children(recursive=True)
    assert len(workers) == 2
    running.send_signal(stopped_by)
    finish(running, code=-9 if stopped_by == signal.SIGKILL else 1)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
    left = [path.name for path in reports.iterdir()]
    assert not [name for name in left if not name.startswith(".")]
    if stopped_by != signal.SIGKILL:
        assert left == []


def test_thirty_times_the_rows_take_no_more_memory(models: Library, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for value in (1.0, 2.0):
        release(store, "constant", models.constant(value), runtime="compiled")
    command = CommandLine(str(store))
    most = []
    for rows in (10_000, 300_000):
        path = tmp_path / f"{rows}.parquet"
        pq.write_table(pa.table({"x": [float(row) for row in range(rows)]}), path, row_group_size=50_000)
        words = ("compare", "constant", "1", "2", "--data", path, "--by", "x", "--batch-rows", 2_000)
        most.append(peaks(command.start(*words)))
    few, many = most
    assert many < few + (4 << 20)  # where each row is, and what both sides answer, is 7.2 MB even as packed numbers


def peaks(running: subprocess.Popen[str]) -> int:
    """The greatest memory, in bytes, of the command and of its workers, added up."""
    command, found = psutil.Process(running.pid), dict[int, int]()
    while running.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for process in (command, *command.children(recursive=True)):
                found[process.pid] = max(found.get(process.pid, 0), process.memory_info().rss)
        with suppress(subprocess.TimeoutExpired):
            running.wait(0.05)
    finish(running)
    assert len(found) >= 3
    return sum(found.values())
