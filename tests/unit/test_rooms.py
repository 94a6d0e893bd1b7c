"""`scripts/test` runs every test, and none twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from modelserve_control.common.processes import SOURCES


def files(pattern: str) -> list[Path]:
    """The test files that pytest finds for one word of a room."""
    found = [
        inner for path in SOURCES.glob(pattern) for inner in ([path] if path.is_file() else path.rglob("test_*.py"))
    ]
    assert found, f"nothing is called {pattern}"
    return found


def test_each_test_is_in_one_room() -> None:
    lines = (SOURCES / "tests" / "rooms.txt").read_text().splitlines()
    rooms = [line.split() for line in lines if not line.startswith("#")]
    seen = Counter(path for room in rooms for word in room[1:] for path in files(word))
    everything = set((SOURCES / "tests").rglob("test_*.py"))
    assert {path: count for path, count in seen.items() if count != 1} == {}
    assert sorted(everything - seen.keys()) == []
