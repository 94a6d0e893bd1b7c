"""The columns of the report's tables: one line each, with its heading and its value of a row.

The rows are what `sections.py` passes; a new value is counted in `stats/`.
"""

from collections.abc import Iterable
from typing import Final

from modelserve_control.report.tables import Column, field, percent

BREACHES: Final = [field(key) for key in ("segment", "output", "limit", "allowed", "found", "reason")]

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


def quality(names: Iterable[str]) -> list[Column]:
    return [field("side"), field("rows"), field("left out", "left_out"), *(figure(name) for name in names)]


def figure(name: str) -> Column:
    return Column(name, lambda row: row["figures"].get(name))


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
