"""The tables of a report: each column has its heading and its value of a row."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any


@dataclass(frozen=True)
class Column:
    heading: str
    value: Callable[[Any], Any]


@dataclass(frozen=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def build_table(columns: Iterable[Column], rows: Iterable[Any]) -> Table:
    columns = list(columns)
    return Table(
        [column.heading for column in columns],
        [[format_value(column.value(row)) for column in columns] for row in rows],
    )


def field(heading: str, *path: str) -> Column:
    """The value at a path of keys; the heading is the path where none is given."""
    return Column(heading, lambda row: reduce(getitem, path or (heading,), row))


def format_value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if math.isfinite(value) else str(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * ratio:.3g} %"
