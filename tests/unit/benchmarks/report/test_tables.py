from __future__ import annotations

import pytest

from benchmarks.measure.batch import TWO, BatchFigures
from benchmarks.report.tables import scale_table
from benchmarks.servers.storage import COMPILED_RUNTIME


@pytest.mark.parametrize(("factor", "met"), [(1.7, "1.70 (at least 1.7: met)"), (1.6, "1.60 (at least 1.7: not met)")])
def test_two_processes_are_held_to_their_target(factor: float, met: str) -> None:
    figures = BatchFigures("churn", {COMPILED_RUNTIME: [1000.0], TWO: [1000.0 * factor]})
    assert met in scale_table(figures, {1: 100.0})


@pytest.mark.parametrize(("most", "met"), [(120.0, "1.20 (at most 1.2: met)"), (130.0, "1.30 (at most 1.2: not met)")])
def test_memory_is_held_to_that_of_few_rows(most: float, met: str) -> None:
    figures = BatchFigures("churn", {COMPILED_RUNTIME: [1.0], TWO: [2.0]})
    assert f"| 30,000,000 | {most:.0f} MiB | {met} |" in scale_table(figures, {300_000: 100.0, 30_000_000: most})
