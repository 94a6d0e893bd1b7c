"""What is kept of ten million rows is as much as of ten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve_control.compare.sides.wire import ScoredChunk
from modelserve_control.compare.stats.counting import Count
from modelserve_control.compare.stats.tally import MAX_KINDS, OTHERS
from unit.modelserve_control.compare.documents import document

ROWS = 500


def chunk(number: int, side: str) -> ScoredChunk:
    """Every row flips to a text of its own, and every fifth is refused for a reason of its own."""
    rows = range(number * ROWS, (number + 1) * ROWS)
    outcomes: list[dict[str, Any] | str] = [
        f"{side} refuses {row}" if row % 5 == 0 else {"text": f"{side} says {row}", "size": float(row % 7)}
        for row in rows
    ]
    return ScoredChunk(outcomes, 0.1)


def size(result: Any) -> int:
    """How many values a result holds, at any depth."""
    if isinstance(result, dict):
        return sum(size(value) for value in result.values())
    return sum(map(size, result)) if isinstance(result, list) else 1


def test_more_rows_take_no_more_memory() -> None:
    count, sizes = Count(classifies=False), []
    for number in range(40):
        count.add((chunk(number, "A"), chunk(number, "B")), {"all": np.ones(ROWS, dtype=bool)})
        sizes.append(size(count.total.result()) + sum(size(side.result()) for side in count.reasons))
    assert sizes[2] == sizes[-1]
    assert len(count.reasons[0].counts) == MAX_KINDS + 1
    assert count.reasons[0].counts[OTHERS] == 40 * ROWS // 5 - MAX_KINDS
    labels = count.total.labels["text"].result()
    assert (labels["flips"], len(labels["transitions"])) == (40 * ROWS * 4 // 5, MAX_KINDS + 1)
    assert sum(kind["rows"] for kind in labels["transitions"]) == labels["flips"]
    assert count.total.result()["refused"] == {"only_a": 0, "only_b": 0, "both": 40 * ROWS // 5}


@pytest.mark.parametrize("size", [0.30000000000000004, 1.01, 7.0])
def test_no_quantile_is_beyond_the_greatest_difference(size: float) -> None:
    found = document([{"n": 0.0}] * 3, [{"n": -size}, {"n": size / 2}, {"n": size}])["numbers"]["n"]
    values = [*found["quantiles"].values(), *found["size_quantiles"].values()]
    assert max(map(abs, values)) <= found["greatest"]["size"] == size
