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
    greatest distance of two numbers that are no labels. An output is a place without the number of its row."""

    tolerance: float
    differences: list[Difference] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    greatest: float = 0.0
    labels: Counter[str] = field(default_factory=Counter)
    """By output: what both sides have a label for."""
    flips: Counter[str] = field(default_factory=Counter)
    """By output: the labels that differ."""

    @property
    def rows(self) -> int:
        """Those with a label; a row may have several, so they are counted in the output that has most."""
        return max(self.labels.values(), default=0)

    @property
    def flipped(self) -> int:
        """Rows that flip, of the output in which most do."""
        return max(self.flips.values(), default=0)

    def add(self, place: str, kind: str, served: Any, shadow: Any) -> None:
        self.counts[kind] += 1
        if len(self.differences) < MOST_KEPT:
            self.differences.append(Difference(place, kind, served, shadow))

    def values(self, served: Any, shadow: Any, place: str, output: str, in_row: bool) -> None:
        if isinstance(served, Mapping) and isinstance(shadow, Mapping):
            self.objects(served, shadow, place, output, in_row)
        elif isinstance(served, list) and isinstance(shadow, list):
            self.lists(served, shadow, place, output, in_row)
        elif is_number(served) and is_number(shadow):
            self.numbers(served, shadow, place, output)
        elif type(served) is not type(shadow):
            self.add(place, FORM, form(served), form(shadow))
        elif served is not None:
            self.label(served, shadow, place, output)

    def objects(
        self, served: Mapping[str, Any], shadow: Mapping[str, Any], place: str, output: str, in_row: bool
    ) -> None:
        for key in {**served, **shadow}:
            name = escaped(key)
            below = f"{place}/{name}"
            if key not in shadow:
                self.add(below, FORM, form(served[key]), "nothing")
            elif key not in served:
                self.add(below, FORM, "nothing", form(shadow[key]))
            else:
                self.values(served[key], shadow[key], below, f"{output}/{name}", in_row)

    def lists(self, served: list[Any], shadow: list[Any], place: str, output: str, in_row: bool) -> None:
        """The first list on the way has the rows; what is in a row may be a list, too."""
        if len(served) != len(shadow):
            self.add(place, FORM, form(served), form(shadow))
            return
        for number, pair in enumerate(zip(served, shadow, strict=True)):
            self.values(*pair, f"{place}/{number}", f"{output}/{number}" if in_row else output, in_row=True)

    def label(self, served: Any, shadow: Any, place: str, output: str) -> None:
        self.labels[output] += 1
        if served != shadow:
            self.flips[output] += 1
            self.add(place, FLIP, served, shadow)

    def numbers(self, served: float, shadow: float, place: str, output: str) -> None:
        """Two whole numbers are labels; JSON tells them from 1.0."""
        if type(served) is int and type(shadow) is int:
            self.label(served, shadow, place, output)
            return
        self.greatest = max(self.greatest, abs(served - shadow))
        if not math.isclose(served, shadow, rel_tol=self.tolerance, abs_tol=self.tolerance):
            self.add(place, NUMBER, served, shadow)


def compare(served: Any, shadow: Any, tolerance: float, one_row: bool = False) -> Comparison:
    """Both as decoded from JSON. Numbers may differ by `tolerance`, absolutely or in relation to the greater one.

    `one_row`: the answer is that to one row, and no list in it has rows.
    """
    found = Comparison(tolerance)
    found.values(served, shadow, "", "", in_row=one_row)
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
