"""A comparison's document, made without models."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelserve_control.compare.sides.wire import ScoredChunk
from modelserve_control.compare.stats.counting import Count


def document(a: list[Any], b: list[Any], segments: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """Of outcomes: an answer is a dict or the only value of one, a refusal a text that starts with `refused`."""
    count = Count(classifies=False)
    scored = [
        ScoredChunk([outcome(value) for value in side], 0.5, dict.fromkeys(range(len(side)), 0.002)) for side in (a, b)
    ]
    names = segments or ["all"] * len(a)
    count.add(scored, {name: np.array([found == name for found in names]) for name in dict.fromkeys(names)})
    sides = {
        letter: {"name": "m", "version": letter, "runtime": "native", "rows_per_second": 10} | reasons.result()
        for letter, reasons in zip("ab", count.reasons, strict=True)
    }
    parts = [{"value": name} | part.result() for name, part in count.parts.items()]
    empty: dict[str, Any] = {
        "by": "place",
        "target": None,
        "schema": [],
        "segments": parts,
        "breaches": [],
        "within": None,
        "compared_at": "2026-01-02T03:04:05Z",
    }
    return count.total.result() | sides | empty | more


def outcome(value: Any) -> Any:
    if isinstance(value, dict) or str(value).startswith("refused"):
        return value
    return {"prediction": value}
