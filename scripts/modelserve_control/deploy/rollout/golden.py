"""Golden requests: what is sent, and what must be answered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelserve.core.errors import BadSetting
from modelserve.payloads.differences import compare
from modelserve.schema.types import MISSING

KEYS = {"request", "expected", "model", "path", "tolerance"}
TOLERANCE = 1e-6  # relative, or absolute near zero: a float32 has about seven digits
MAX_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class Golden:
    """With a `model` only what serves that is asked."""

    request: Any
    expected: Any
    path: str = "/predict"
    tolerance: float = TOLERANCE
    model: str | None = None

    @property
    def key(self) -> str:
        """Equal for equal requests."""
        return json.dumps([self.model, self.path, self.request], sort_keys=True)

    def difference(self, answer: Any) -> str | None:
        found = compare(self.expected, answer, self.tolerance, partial=True).differences
        if not found:
            return None
        place = f"the answer at {found[0].place}" if found[0].place else "the answer"
        return f"{place} is {shorten(found[0].shadow)} instead of {shorten(found[0].served)}"


def read_golden(path: Path) -> tuple[Golden, ...]:
    found: list[Golden] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip():
            try:
                found.append(parse(json.loads(line)))
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise BadSetting(
                    f'Line {number} of --golden is not like {{"request": {{"x": 1}}, "expected": {{"prediction": 2}}}}: {error}.'
                ) from error
            first = lines.setdefault(found[-1].key, number)
            if first != number:
                raise BadSetting(f"Lines {first} and {number} of --golden have the same request: delete one of them.")
    if not found:
        raise BadSetting("--golden has no requests: leave it out, or write at least one line.")
    return tuple(found)


def parse(raw: Mapping[str, Any]) -> Golden:
    if unknown := set(raw) - KEYS:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
    if missing := {"request", "expected"} - set(raw):
        raise ValueError(f"missing keys: {', '.join(sorted(missing))}")
    golden = Golden(**raw)
    if not isinstance(golden.path, str) or not golden.path.startswith("/"):
        raise ValueError("the path must begin with /")
    if not isinstance(golden.tolerance, (int, float)) or not golden.tolerance >= 0:
        raise ValueError("the tolerance must be a number of at least 0")
    if not isinstance(golden.model, str | None):
        raise ValueError("the model must be a name")
    return golden


def shorten(value: Any) -> str:
    text = "missing" if value is MISSING else json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
