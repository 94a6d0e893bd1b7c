"""A comparison that is stopped leaves nothing; one of many rows takes no more memory than one of few."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import CommandLine, finish
from faults.proxy import wait_for
from http_server import WAIT_SECONDS
from models.library import Library
from serving import release

ATTEMPTS = 5  # to stop a command between its last row and its end


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
    command = CommandLine(
        str(store), {"MODEL_TRUST": "pickle", "TMPDIR": str(tmp_path)}, cold=stopped_by != signal.SIGTERM
    )
    words = ("--data", tmp_path / "rows.parquet", "--html", reports / "a.html", "--markdown", reports / "a.md")
    calls = gate.with_name("gate.calls")
    with command.started("compare", "slow", "1", "2", *words) as running:
        wait_for(calls.exists, WAIT_SECONDS)
        # A terminal sends Ctrl-C to a whole group, and a worker that still imports would show a traceback.
        group, children = os.getpgid(running.pid), psutil.Process(running.pid).children()
        workers = [child for child in children if os.getpgid(child.pid) != group]
        assert len(workers) == 2
        running.send_signal(stopped_by)
        if stopped_by == signal.SIGKILL:
            gate.touch()  # its workers end after the call that they are in
        finish(running, code=-9 if stopped_by == signal.SIGKILL else 130)
    _, alive = psutil.wait_procs(workers, timeout=WAIT_SECONDS)
    assert alive == []
    left = [path.name for path in reports.iterdir()]
    assert not [name for name in left if not name.startswith(".")]
    if stopped_by != signal.SIGKILL:
        assert left == []


def test_thirty_times_the_rows_take_no_more_memory(models: Library, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for value in (1.0, 2.0):
        release(store, "constant", models.constant(value), runtime="compiled")
    command = CommandLine(str(store), cold=True)
    most = []
    for rows in (10_000, 300_000):
        path = tmp_path / f"{rows}.parquet"
        pq.write_table(pa.table({"x": [float(row) for row in range(rows)]}), path, row_group_size=50_000)
        words = ("compare", "constant", "1", "2", "--data", path, "--by", "x", "--batch-rows", 2_000)
        found: list[int] = []
        for _ in range(ATTEMPTS):
            found = found or peaks(command, words, rows)
        most.append(sum(found))
    few, many = most
    assert 0 < many < few + (4 << 20)  # where each row is, and what both sides answer, is 7.2 MB even as packed numbers


def peaks(command: CommandLine, words: Sequence[object], rows: int) -> list[int]:
    """The greatest memory, in bytes, of the command and of its two workers until the last row was judged; nothing when
    the command was done before it could be stopped."""
    with command.started(*words) as running:
        assert running.stderr is not None
        assert f"scored {rows:,} of {rows:,} rows\n" in running.stderr
        running.send_signal(signal.SIGSTOP)
        found = [peak(process.pid) for process in psutil.Process(running.pid).children()]
        return [peak(running.pid), *found] if len(found) == 2 and all(found) else []


def peak(pid: int) -> int:
    """As the kernel has noted it; 0 of a process that has ended."""
    with suppress(OSError):
        noted = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(noted[1]) << 10 if noted else 0
    return 0
