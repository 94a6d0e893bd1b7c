"""Two answers to one request, compared: which labels flip, which numbers differ by more than they may, what has another form."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# A label, a number, and anything else: another type, another length, a key that only one side has.
FLIP, NUMBER, FORM = "flip", "number", "form"
# So many differences of one answer are kept; the others are counted.
MOST_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """`place` is a JSON pointer into the answer (RFC 6901), so the row is in it.

    Of another form only the types are told: `served` and `shadow` are then texts such as `list of 3`.
    """

    place: str
    kind: str
    served: Any
    shadow: Any


@dataclass(slots=True)
class Comparison:
    """`differences` has the first few, `counts` all of them by kind; `greatest` is the
    greatest distance of two numbers that are no labels."""

    tolerance: float
    differences: list[Difference] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    greatest: float = 0.0

    def add(self, place: str, kind: str, served: Any, shadow: Any) -> None:
        self.counts[kind] += 1
        if len(self.differences) < MOST_KEPT:
            self.differences.append(Difference(place, kind, served, shadow))

    def values(self, served: Any, shadow: Any, place: str) -> None:
        if isinstance(served, Mapping) and isinstance(shadow, Mapping):
            self.objects(served, shadow, place)
        elif isinstance(served, list) and isinstance(shadow, list):
            self.lists(served, shadow, place)
        elif is_number(served) and is_number(shadow):
            self.numbers(served, shadow, place)
        elif type(served) is not type(shadow):
            self.add(place, FORM, form(served), form(shadow))
        elif served != shadow:
            self.add(place, FLIP, served, shadow)

    def objects(self, served: Mapping[str, Any], shadow: Mapping[str, Any], place: str) -> None:
        for key in {**served, **shadow}:
            below = f"{place}/{escaped(key)}"
            if key not in shadow:
                self.add(below, FORM, form(served[key]), "nothing")
            elif key not in served:
                self.add(below, FORM, "nothing", form(shadow[key]))
            else:
                self.values(served[key], shadow[key], below)

    def lists(self, served: list[Any], shadow: list[Any], place: str) -> None:
        if len(served) != len(shadow):
            self.add(place, FORM, form(served), form(shadow))
            return
        for number, pair in enumerate(zip(served, shadow, strict=True)):
            self.values(*pair, f"{place}/{number}")

    def numbers(self, served: float, shadow: float, place: str) -> None:
        """Two whole numbers are labels; JSON tells them from 1.0."""
        if type(served) is int and type(shadow) is int:
            if served != shadow:
                self.add(place, FLIP, served, shadow)
            return
        self.greatest = max(self.greatest, abs(served - shadow))
        if not math.isclose(served, shadow, rel_tol=self.tolerance, abs_tol=self.tolerance):
            self.add(place, NUMBER, served, shadow)


def compare(served: Any, shadow: Any, tolerance: float) -> Comparison:
    """Both as decoded from JSON. Numbers may differ by `tolerance`, absolutely or in relation to the greater one."""
    found = Comparison(tolerance)
    found.values(served, shadow, "")
    return found


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def form(value: Any) -> str:
    if isinstance(value, list):
        return f"list of {len(value)}"
    if value is None:
        return "null"
    return {dict: "object", str: "text", bool: "boolean"}.get(type(value), "number")


def escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
