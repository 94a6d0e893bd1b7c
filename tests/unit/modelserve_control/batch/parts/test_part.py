from __future__ import annotations

import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelserve.core.errors import PreconditionFailed
from modelserve.store.buckets.local import DirectoryObjects
from modelserve_control.batch.files.chunks import ParquetFile
from modelserve_control.batch.files.remote import ObjectFile
from modelserve_control.batch.parts.part import find_runs, install, read_counts, read_footer
from modelserve_control.batch.writing import PART, RowIds


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ([], [(0, 0, 0, 0)]),
        ([5], [(0, 1, 0, 5)]),
        ([600_000, 400_000, 1], [(0, 2, 0, 1_000_000), (2, 3, 1_000_000, 1)]),
        ([3_000_000, 600_000, 600_000], [(0, 1, 0, 3_000_000), (1, 2, 3_000_000, 600_000), (2, 3, 3_600_000, 600_000)]),
    ],
)
def test_a_run_has_at_most_a_million_rows_unless_a_row_group_has_more(sizes: list[int], runs: list[object]) -> None:
    assert find_runs(sizes) == runs


def test_a_run_reads_its_own_row_groups_and_its_ids_go_on(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": range(10)}), tmp_path / "x.parquet", row_group_size=3)
    file = ParquetFile(tmp_path / "x.parquet", None, 1, 3)
    assert file.rows == 6
    assert [chunk.table.columns["x"] for chunk in file.chunks(4)] == [[3, 4, 5, 6], [7, 8]]
    assert RowIds("ride_id", "2022/03_{row}").build(3, 2).to_pylist() == ["2022/03_3", "2022/03_4"]


def test_an_object_is_read_in_ranges(tmp_path: Path) -> None:
    (tmp_path / "o").write_bytes(bytes(range(100)))
    objects = DirectoryObjects(tmp_path)
    info = objects.stat("o")
    assert info is not None
    file = ObjectFile(objects, info)
    assert file.seek(-10, io.SEEK_END) == 90
    assert file.read() == bytes(range(90, 100))
    assert file.read(5) == b""
    file.seek(3)
    assert file.read(2) == bytes([3, 4])
    assert file.tell() == 5


def test_a_part_that_was_scored_twice_is_the_same_and_another_file_is_not_replaced(tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path / "out")
    for key in ("a", "b"):
        path = tmp_path / f"{key}.parquet"
        with pq.ParquetWriter(path, pa.schema([("x", pa.int64())])) as writer:
            writer.add_key_value_metadata(
                {PART: b'{"key": "%s", "rows": 0, "failed": 0, "reasons": {}}' % key.encode()}
            )
    install(objects, "part.parquet", tmp_path / "a.parquet", "a")
    install(objects, "part.parquet", tmp_path / "a.parquet", "a")
    with pytest.raises(PreconditionFailed):
        install(objects, "part.parquet", tmp_path / "b.parquet", "b")
    info = objects.stat("part.parquet")
    assert info is not None
    assert (read_footer(objects, info) or {})["key"] == "a"
    assert read_counts(objects, "part.parquet").rows == 0
    assert os.listdir(tmp_path / "out") != []
