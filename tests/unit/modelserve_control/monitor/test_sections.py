"""The report of `drift`: charts where there is something to compare, and cells that stay whole."""

from __future__ import annotations

from typing import Any

import pytest

from modelserve_control.monitor.sections import drift_sections
from modelserve_control.report.page import render


def result(windows: int) -> dict[str, Any]:
    column = {"drift": True, "reasons": ["new"], "tests": {}, "bins": [], "psi_limit": 0.0343512}
    column |= {
        "tests": {"new": {"effect": 0.5, "adjusted": 0.0}},
        "new": {f"place {number}": 0.1 for number in range(9)},
    }
    one = {"rows": 300, "drift": True, "drifted": ["place"], "columns": {"place": column}, "predictions": {}}
    found = [one | {"window": f"2026-03-0{day}", "unknown_categories": None} for day in range(1, windows + 1)]
    return {"alpha": 0.01, "windows": found}


@pytest.mark.parametrize(("windows", "charts"), [(1, 0), (2, 1)])
def test_windows_are_drawn_where_there_are_several(windows: int, charts: int) -> None:
    verdict, *_ = drift_sections(result(windows))
    assert len(verdict.charts) == charts


def test_only_long_cells_are_broken() -> None:
    page = render("Drift", drift_sections(result(1)))
    assert "<td>0.03435</td>" in page
    assert '<td class="long">place 0 10 %, place 1' in page
    assert "white-space: nowrap" in page
