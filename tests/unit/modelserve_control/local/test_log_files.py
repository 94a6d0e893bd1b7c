"""The prediction log of the local stack as files."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from infra.policies_log import rows
from modelserve_control.local.log_files import SCHEMA, write_rows


def test_each_day_has_its_rows_with_every_column_that_is_published(tmp_path: Path) -> None:
    published = rows()
    published[1]["time"] = "2026-03-02T00:00:00Z"
    write_rows(tmp_path, published)
    for day, row in zip(("2001-09-09", "2026-03-02"), published, strict=True):
        (path,) = (tmp_path / f"day={day}").iterdir()
        (found,) = pq.ParquetFile(path).read().to_pylist()
        assert {**found, "time": None} == {**row, "time": None}
    assert set(SCHEMA.names) == set(published[0])


def test_a_day_is_seen_only_with_its_rows(tmp_path: Path) -> None:
    published = rows()
    published[0]["milliseconds"] = "a while"
    with pytest.raises(ValueError, match="a while"):
        write_rows(tmp_path, published[:1])
    assert list(tmp_path.glob("day=*")) == []
