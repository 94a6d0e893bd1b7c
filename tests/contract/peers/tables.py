"""The tables of differences in docs/http.md, which the tests of other clients read."""

from __future__ import annotations

from modelserve_control.common.processes import SOURCES


def differences(heading: str) -> set[str]:
    """The first cell of each row of the table under a heading."""
    _, found, section = (SOURCES / "docs" / "http.md").read_text().partition(f"\n## {heading}\n")
    assert found, heading
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return {row.split(" | ")[0].removeprefix("| ") for row in rows[1:] if not row.startswith("|---")}
