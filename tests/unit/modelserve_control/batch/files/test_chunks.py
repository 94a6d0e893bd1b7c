"""Parquet files are read in memory that does not grow with their rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modelserve_control.batch.files.chunks import READER_ROWS, ParquetFile
from signatures import signature

GROUPS, GROUP_ROWS = 40, 10_000


def test_what_was_read_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    with pq.ParquetWriter(path, pa.schema([("s", pa.string())]), use_dictionary=False) as writer:
        for group in range(GROUPS):
            writer.write_table(pa.table({"s": [f"{group}-{row}" for row in range(GROUP_ROWS)]}))
    file = ParquetFile(path, signature(s="string"))
    held, rows = [], 0
    before = pa.total_allocated_bytes()
    for batch in file.batches(GROUP_ROWS, ["s"]):
        rows += batch.num_rows
        held.append(pa.total_allocated_bytes() - before)
    assert rows == GROUPS * GROUP_ROWS
    assert max(held) <= 1.2 * max(held[: READER_ROWS // GROUP_ROWS])


def test_a_duration_that_python_cannot_hold_is_a_bad_cell(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": pa.array([1, 1 << 62], pa.duration("s"))}), path)
    (chunk,) = ParquetFile(path, signature(x="double")).chunks(10)
    assert chunk.bad == {1: "x: out of range for its type"}
