"""The columns of the report's tables: one line each, with its heading and its value of a row.

The rows are what `sections.py` passes; a new value is counted in `stats/`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any, Final


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


BREACHES: Final = [field(key) for key in ("segment", "output", "limit", "allowed", "found")]

ROWS: Final = [
    field("rows"),
    field("scored by both", "compared"),
    field("refused by A only", "refused", "only_a"),
    field("refused by B only", "refused", "only_b"),
    field("refused by both", "refused", "both"),
]
REASONS: Final = [field("refused by", "side"), field("reason"), field("rows")]
REFUSED_ROWS: Final = [field("row"), field("refused by", "side"), field("reason, of the first rows", "reason")]

FLIPS: Final = [
    field("output"),
    field("rows", "compared"),
    field("flips"),
    Column("share", lambda row: percent(row["flip_ratio"])),
    Column("first rows", lambda row: ", ".join(map(str, row["rows"]))),
]
TRANSITIONS: Final = [field("output"), field("A", "a"), field("B", "b"), field("rows")]

DIFFERENCES: Final = [
    field("output"),
    field("rows", "compared"),
    field("equal"),
    field("only A has one", "only_a"),
    field("only B has one", "only_b"),
    field("mean"),
    field("mean size", "mean_size"),
    Column("greatest", lambda row: row["greatest"] and row["greatest"]["size"]),
    Column("in row", lambda row: row["greatest"] and row["greatest"]["row"]),
]


def quantiles(what: str, key: str, shares: Iterable[str]) -> list[Column]:
    return [field(f"{what} at", "output"), *(field(share, key, share) for share in shares)]


CONTRACT: Final = [
    field("what"),
    field("A", "a"),
    field("B", "b"),
    Column("breaks callers of A", lambda row: "yes" if row["breaking"] else "no"),
]

LATENCY: Final = [
    field("side"),
    field("rows/s in chunks", "rows_per_second"),
    field("rows alone", "rows"),
    field("p50 ms", "p50"),
    field("p95 ms", "p95"),
    field("p99 ms", "p99"),
]


def segments(labels: Iterable[str], numbers: Iterable[str]) -> list[Column]:
    return [
        field("segment", "value"),
        field("rows"),
        field("refused by B only", "refused", "only_b"),
        *(flip_ratio(name) for name in labels),
        *(mean_size(name) for name in numbers),
        field("A p95 ms", "latency", "a", "p95"),
        field("B p95 ms", "latency", "b", "p95"),
    ]


def flip_ratio(name: str) -> Column:
    return Column(f"{name}: flips", lambda row: percent(row["labels"].get(name, {}).get("flip_ratio")))


def mean_size(name: str) -> Column:
    return Column(f"{name}: mean size", lambda row: row["numbers"].get(name, {}).get("mean_size"))
