from __future__ import annotations

from pathlib import Path

from contract.pubsub.differences import PAGE, RULES

SOURCES = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))


def test_every_row_of_the_table_is_read_and_tested() -> None:
    rows = PAGE.partition("## Differences from Google's emulator")[2].count("\n| ") - 1
    assert len(RULES) == rows
    assert [rule for rule in RULES if f'"{rule}"' not in SOURCES] == []
