"""The library that reads bodies from the network touches no byte that is not its own, and does nothing that C leaves undefined."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelserve.models.compiled import rows_plan
from modelserve_control.common.processes import SOURCES
from modelserve_control.deploy import rows_library

FUZZ = Path(__file__).with_name("fuzz_rows.py")
# What C leaves undefined (overflow, a null pointer, a shift too far) ends the process instead.
TRAPS = ("-fsanitize=undefined", "-fsanitize-trap=undefined")


def fuzz(library: bytes, directory: Path, count: int = 300_000) -> subprocess.CompletedProcess[str]:
    path = directory / "rows.binary"
    path.write_bytes(library)
    return subprocess.run(
        [sys.executable, str(FUZZ), str(path), str(count)], capture_output=True, text=True, timeout=300
    )


def test_no_damaged_body_makes_it_read_or_write_beyond_its_own(tmp_path: Path) -> None:
    done = fuzz(rows_library.make(SOURCES / "functions", None, (*rows_library.FLAGS, *TRAPS)), tmp_path)
    assert done.returncode == 0, done.stderr
    taken = re.fullmatch(r"(\d+) of 300000 were taken\n", done.stdout)
    assert taken
    assert int(taken[1]) > 10_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("at < c->end && *at >= '0'", "at <= c->end && *at >= '0'"),
        ("for (; at < end && *at != '\"'; at++)", "for (; *at != '\"'; at++)"),
        ("for (; end - at >= 8; at += 8)", "for (; at < end; at += 8)"),
        ("if (end - at >= 8) return eight(at) &", "if (end >= at) return eight(at) &"),
        ("if (r->c.end - r->c.at > guess->length && ", "if ("),
        ("if (row == r->plan->most_rows || ", "if ("),
    ],
)
def test_a_bound_that_is_left_out_is_found(old: str, new: str, tmp_path: Path) -> None:
    folder = tmp_path / "modelserve/models/compiled"
    folder.mkdir(parents=True)
    found = 0
    for name in ("rows.c", "rows_json.h"):
        text = (SOURCES / "functions/modelserve/models/compiled" / name).read_text()
        found += text.count(old)
        (folder / name).write_text(text.replace(old, new))
    assert found == 1
    assert fuzz(rows_library.make(tmp_path, None), tmp_path).returncode != 0


def test_a_library_of_other_sources_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would take Python's structures for others, and write where it must not."""
    folder = tmp_path / "modelserve/models/compiled"
    folder.mkdir(parents=True)
    for name in rows_plan.SOURCES:
        shutil.copy(SOURCES / "functions/modelserve/models/compiled" / name, folder)
    monkeypatch.setattr(rows_plan, "LIBRARY", folder / "rows.binary")
    rows_plan.LIBRARY.write_bytes(rows_library.make(tmp_path, None))
    assert rows_plan.library.__wrapped__() is not None
    with (folder / "rows.c").open("a") as source:
        source.write("/* changed */")
    assert rows_plan.library.__wrapped__() is None
    assert "is of other sources" in caplog.text
    (folder / "rows.c").unlink()  # as in what is deployed, where it was made when the rest was packed
    assert rows_plan.library.__wrapped__() is not None


def test_the_same_source_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rows_library.make(SOURCES / "functions")
    monkeypatch.setattr(rows_library, "CACHE", tmp_path / "cache")
    assert rows_library.make(SOURCES / "functions") == first
