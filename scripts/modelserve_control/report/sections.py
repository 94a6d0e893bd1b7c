"""What a report is made of. `markdown` and `page` render it.

Titles and cells may come from a model or from its data, so the renderer escapes them.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from modelserve_control.report.tables import Table


@dataclass(frozen=True)
class Bars:
    """One bar per value under its name. `unit` follows each number."""

    title: str
    values: Sequence[tuple[str, float]]
    unit: str = ""


@dataclass(frozen=True)
class Histogram:
    title: str
    bars: Sequence[tuple[float, float, int]]


@dataclass(frozen=True)
class Pairs:
    """Two bars per name, each a share of its side. `sides` names the two."""

    title: str
    sides: tuple[str, str]
    values: Sequence[tuple[str, float, float]]


@dataclass(frozen=True)
class Points:
    """One point per name, with the ends of its interval."""

    title: str
    values: Sequence[tuple[str, float, float, float]]


@dataclass(frozen=True)
class Series:
    """One line; `marks` are the places of its values that have a circle. A value may be None."""

    name: str
    values: Sequence[float | None]
    marks: Sequence[int] = ()


@dataclass(frozen=True)
class Lines:
    """Series over the same `places`, at most three. `marked` says what a circle is."""

    title: str
    places: Sequence[str]
    series: Sequence[Series]
    marked: str = ""


Chart = Bars | Histogram | Pairs | Points | Lines


@dataclass(frozen=True)
class Section:
    """`text` is this module's own and needs no escaping. `passed` colours the first of a verdict."""

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    passed: bool | None = None


def make_printable(text: str) -> str:
    """Without characters that break a line, or that invisibly reverse what follows."""
    return "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)
