from __future__ import annotations

from array import array

from benchmarks.load.closed_loop import Load
from benchmarks.measure.shadow import figures, table


def test_the_figures_of_a_turn() -> None:
    load = Load(latencies=array("d", [0.001] * 99 + [0.005]), seconds=0.5)
    assert figures(load, 0.02) == {"p50": 0.001, "p99": 0.001, "rate": 200.0, "processor": 0.0002}


def test_the_table_has_the_median_of_each_ratio_and_its_quartiles() -> None:
    rounds = [dict.fromkeys(("p50", "p99", "rate", "processor"), value) for value in (1.0, 1.1, 9.0, 1.2, 0.9)]
    rows = table({"one": rounds, "two": rounds[:2]}).splitlines()
    assert rows[2] == f"| one | {' | '.join(['1.100 (1.000 to 1.200)'] * 4)} |"
    assert rows[3].startswith("| two | 1.050 (1.025 to 1.075) |")
