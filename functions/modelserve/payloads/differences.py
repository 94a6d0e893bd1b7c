"""The differences between two answers to one request: flipped labels, numbers beyond the tolerance, values of another form."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from modelserve.schema.types import MISSING

# FORM is another type, another length, or a key that only one side has.
FLIP, NUMBER, FORM = "flip", "number", "form"
MAX_KEPT: Final = 20  # differences of one answer; all are counted


@dataclass(frozen=True, slots=True)
class Difference:
    """`place` is a JSON pointer into the answer (RFC 6901). For FORM, `served` and `shadow` name types, such as `list
    of 3`; in a partial comparison they are the values."""

    place: str
    kind: str
    served: Any
    shadow: Any


@dataclass(slots=True)
class Comparison:
    """`differences` are the first MAX_KEPT, `counts` all of them by kind. `greatest` is the greatest distance of two
    numbers that are not labels. An output is a place without its row number."""

    tolerance: float
    partial: bool = False
    differences: list[Difference] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    greatest: float = 0.0
    labels: Counter[str] = field(default_factory=Counter)  # by output: how many labels both sides have
    flips: Counter[str] = field(default_factory=Counter)  # by output: how many labels differ

    @property
    def rows(self) -> int:
        return max(self.labels.values(), default=0)

    @property
    def flipped(self) -> int:
        return max(self.flips.values(), default=0)

    def add(self, place: str, kind: str, served: Any, shadow: Any) -> None:
        self.counts[kind] += 1
        if len(self.differences) < MAX_KEPT:
            self.differences.append(Difference(place, kind, served, shadow))

    def add_form(self, place: str, served: Any, shadow: Any) -> None:
        if self.partial:
            self.add(place, FORM, served, shadow)
        else:
            self.add(place, FORM, form(served), form(shadow))

    def values(self, served: Any, shadow: Any, place: str, output: str, in_row: bool) -> None:
        if isinstance(served, Mapping) and isinstance(shadow, Mapping):
            self.objects(served, shadow, place, output, in_row)
        elif isinstance(served, list) and isinstance(shadow, list):
            self.lists(served, shadow, place, output, in_row)
        elif is_number(served) and is_number(shadow):
            self.numbers(served, shadow, place, output)
        elif type(served) is not type(shadow):
            self.add_form(place, served, shadow)
        elif served is not None:
            self.label(served, shadow, place, output)

    def objects(
        self, served: Mapping[str, Any], shadow: Mapping[str, Any], place: str, output: str, in_row: bool
    ) -> None:
        for key in served if self.partial else {**served, **shadow}:
            name = key.replace("~", "~0").replace("/", "~1")
            self.values(
                served.get(key, MISSING), shadow.get(key, MISSING), f"{place}/{name}", f"{output}/{name}", in_row
            )

    def lists(self, served: list[Any], shadow: list[Any], place: str, output: str, in_row: bool) -> None:
        """The outermost list has the rows; a row may contain lists too."""
        if len(served) != len(shadow):
            self.add_form(place, served, shadow)
            return
        for number, pair in enumerate(zip(served, shadow, strict=True)):
            self.values(*pair, f"{place}/{number}", f"{output}/{number}" if in_row else output, in_row=True)

    def label(self, served: Any, shadow: Any, place: str, output: str) -> None:
        self.labels[output] += 1
        if served != shadow:
            self.flips[output] += 1
            self.add(place, FLIP, served, shadow)

    def numbers(self, served: float, shadow: float, place: str, output: str) -> None:
        """Two whole numbers are labels; JSON distinguishes 1 from 1.0."""
        if type(served) is int and type(shadow) is int and not self.partial:
            self.label(served, shadow, place, output)
            return
        self.greatest = max(self.greatest, abs(served - shadow))
        if not math.isclose(served, shadow, rel_tol=self.tolerance, abs_tol=self.tolerance):
            self.add(place, NUMBER, served, shadow)


def compare(served: Any, shadow: Any, tolerance: float, one_row: bool = False, partial: bool = False) -> Comparison:
    """Both as decoded from JSON. Numbers may differ by `tolerance`, absolutely or relative to the greater one. With
    `one_row` no list in the answer has rows. `partial`: `served` is what a person expects; only its keys are compared,
    and whole numbers are numbers like any other."""
    found = Comparison(tolerance, partial)
    found.values(served, shadow, "", "", in_row=one_row)
    return found


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def form(value: Any) -> str:
    if isinstance(value, list):
        return f"list of {len(value)}"
    if value is None:
        return "null"
    if value is MISSING:
        return "nothing"
    return {dict: "object", str: "text", bool: "boolean"}.get(type(value), "number")
