"""Golden requests: what is asked, and what must be answered."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelserve.core.errors import BadSetting

KEYS = {"request", "expected", "path", "tolerance"}
TOLERANCE = 1e-6  # relative, or absolute near zero: a float32 keeps about seven digits


@dataclass(frozen=True)
class Golden:
    request: Any
    expected: Any
    path: str = "/predict"
    tolerance: float = TOLERANCE

    def difference(self, answer: Any) -> str | None:
        """Where the answer is another one and how, or None."""
        return difference(self.expected, answer, self.tolerance, "the answer")


def read_golden(path: Path) -> tuple[Golden, ...]:
    """JSON lines; BadSetting names the line that is none of ours."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip():
            try:
                raw = json.loads(line)
                found.append(golden(raw))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise BadSetting(
                    f'Line {number} of --golden is not like {{"request": {{"x": 1}}, "expected": {{"prediction": 2}}}}: {error}.'
                ) from error
    if not found:
        raise BadSetting("--golden has no requests: leave it out, or write at least one line.")
    return tuple(found)


def golden(raw: Mapping[str, Any]) -> Golden:
    if unknown := set(raw) - KEYS:
        raise ValueError(f"it does not know {', '.join(sorted(unknown))}")
    if missing := {"request", "expected"} - set(raw):
        raise ValueError(f"it needs {', '.join(sorted(missing))}")
    made = Golden(**raw)
    if not isinstance(made.path, str) or not made.path.startswith("/"):
        raise ValueError("a path begins with /")
    if not isinstance(made.tolerance, (int, float)) or not made.tolerance >= 0:
        raise ValueError("a tolerance is a number from 0 on")
    return made


def difference(expected: Any, answer: Any, tolerance: float, where: str) -> str | None:
    """Keys that are not expected are not looked at; everything else must be there and equal, numbers within tolerance."""
    if isinstance(expected, Mapping) and isinstance(answer, Mapping):
        parts = [(expected[key], answer.get(key, MISSING), f"{where}.{key}") for key in expected]
    elif isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        parts = [(a, b, f"{where}[{place}]") for place, (a, b) in enumerate(zip(expected, answer, strict=True))]
    else:
        return None if same(expected, answer, tolerance) else f"{where} is {shown(answer)} instead of {shown(expected)}"
    return next((found for part in parts if (found := difference(*part[:2], tolerance, part[2]))), None)


def same(expected: Any, answer: Any, tolerance: float) -> bool:
    if number(expected) and number(answer):
        return math.isclose(expected, answer, rel_tol=tolerance, abs_tol=tolerance)
    return type(expected) is type(answer) and bool(expected == answer)


def number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = Missing()


def shown(value: Any) -> str:
    text = "missing" if value is MISSING else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
