"""A comparison as sections of text, tables and charts; how they look is `markdown`'s and `page`'s own matter.

Any title and any cell may come from a model or from its data: who renders it escapes it.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Result = Mapping[str, Any]

TRANSITIONS: Final = 12  # of the kinds of flips, the commonest
NAMED: Final = 20  # of the refused rows, the first


@dataclass(frozen=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Bars:
    """One bar per value under its name. `unit` follows each number."""

    title: str
    values: Sequence[tuple[str, float]]
    unit: str = ""


@dataclass(frozen=True)
class Histogram:
    """Bars of start, end and rows; the rows on a logarithmic axis."""

    title: str
    bars: Sequence[tuple[float, float, int]]


@dataclass(frozen=True)
class Section:
    """`text` is our own and needs no escaping."""

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Bars | Histogram] = ()


def title(result: Result) -> str:
    return f"{side(result['a'])} and {side(result['b'])}"


def side(found: Mapping[str, Any]) -> str:
    return f"{found['name']} version {found['version']} ({found['runtime']})"


def sections(result: Result) -> Iterator[Section]:
    yield verdict(result)
    yield rows(result)
    if result["labels"]:
        yield labels(result)
    if result["numbers"]:
        yield numbers(result)
    yield contract(result)
    yield latency(result)
    if result["by"] is not None:
        yield segments(result)


def verdict(result: Result) -> Section:
    if result["within"] is None:
        return Section("Verdict", ["No thresholds were given."])
    if result["within"]:
        return Section("Verdict", ["B is within the thresholds."])
    head = ("segment", "output", "limit", "allowed", "found")
    found = [[shown(breach[key]) for key in head] for breach in result["breaches"]]
    return Section("Verdict", ["B is beyond the thresholds."], [Table(head, found)])


def rows(result: Result) -> Section:
    refused = result["refused"]
    counts = Table(
        ("rows", "scored by both", "refused by A only", "refused by B only", "refused by both"),
        [[shown(value) for value in (result["rows"], result["compared"], *refused.values())]],
    )
    reasons = [
        [letter.upper(), reason["reason"], shown(reason["rows"])]
        for letter in ("a", "b")
        for reason in result[letter]["reasons"]
    ]
    named = [
        [shown(row["row"]), letter.upper(), row["reason"]]
        for letter in ("a", "b")
        for row in result[letter]["named"][:NAMED]
    ]
    tables = [counts]
    if reasons:
        tables += [
            Table(("refused by", "reason", "rows"), reasons),
            Table(("row", "refused by", "reason, of the first rows"), named),
        ]
    return Section("Rows", ["Rows are counted from 0."], tables)


def labels(result: Result) -> Section:
    found = result["labels"].items()
    counts = [
        [
            name,
            shown(one["compared"]),
            shown(one["flips"]),
            percent(one["flip_ratio"]),
            ", ".join(map(str, one["rows"])),
        ]
        for name, one in found
    ]
    kinds = [
        [name, kind["a"], kind["b"], shown(kind["rows"])]
        for name, one in found
        for kind in one["transitions"][:TRANSITIONS]
    ]
    tables = [Table(("output", "rows", "flips", "share", "first rows"), counts)]
    return Section("Flips", tables=[*tables, *([Table(("output", "A", "B", "rows"), kinds)] if kinds else [])])


def numbers(result: Result) -> Section:
    found = result["numbers"].items()
    counts = [
        [
            name,
            *(shown(one[key]) for key in ("compared", "equal", "only_a", "only_b", "mean", "mean_size")),
            *greatest(one["greatest"]),
        ]
        for name, one in found
    ]
    head = ("output", "rows", "equal", "only A has one", "only B has one", "mean", "mean size", "greatest", "in row")
    names = [name for name, _ in found]
    charts = [Histogram(f"{name}: B - A", one["histogram"]) for name, one in found if len(one["histogram"]) > 1]
    text = ["Differences are B - A; a size is a difference without its sign."]
    tables = [Table(head, counts)]
    for key, what in (("quantiles", "difference"), ("size_quantiles", "size")):
        shares = list(result["numbers"][names[0]][key])
        lines = [[name, *(shown(one[key][share]) for share in shares)] for name, one in found]
        tables.append(Table((f"{what} at", *shares), lines))
    return Section("Differences", text, tables, charts)


def greatest(found: Mapping[str, Any] | None) -> tuple[str, str]:
    return (shown(found["size"]), shown(found["row"])) if found else ("-", "-")


def contract(result: Result) -> Section:
    found = [
        [change["what"], shown(change["a"]), shown(change["b"]), "yes" if change["breaking"] else "no"]
        for change in result["schema"]
    ]
    if not found:
        return Section("Contract", ["Columns, types, methods and classes are the same."])
    return Section("Contract", tables=[Table(("what", "A", "B", "breaks callers of A"), found)])


def latency(result: Result) -> Section:
    lines = []
    for letter in ("a", "b"):
        alone = result["latency"][letter]
        speed = result[letter]["rows_per_second"]
        lines.append([letter.upper(), shown(speed), *(shown(alone[key]) for key in ("rows", "p50", "p95", "p99"))])
    head = ("side", "rows/s in chunks", "rows alone", "p50 ms", "p95 ms", "p99 ms")
    bars = [
        (f"{letter.upper()} {key}", result["latency"][letter][key])
        for key in ("p50", "p95", "p99")
        for letter in ("a", "b")
        if result["latency"][letter][key] is not None
    ]
    return Section("Latency", tables=[Table(head, lines)], charts=[Bars("One row alone", bars, " ms")] if bars else [])


def segments(result: Result) -> Section:
    outputs = [*result["labels"], *result["numbers"]]
    head = (
        "segment",
        "rows",
        "refused by B only",
        *(heading(result, name) for name in outputs),
        "A p95 ms",
        "B p95 ms",
    )
    lines = [
        [
            one["value"],
            shown(one["rows"]),
            shown(one["refused"]["only_b"]),
            *(in_segment(one, name) for name in outputs),
            *(shown(one["latency"][letter]["p95"]) for letter in ("a", "b")),
        ]
        for one in result["segments"]
    ]
    charts = [
        Bars(f"{name}: flips by segment", [(one["value"], 100 * ratio) for one in result["segments"] if (ratio := share(one, name)) is not None], " %")
        for name in result["labels"]
    ]  # fmt: skip
    charts += [
        Bars(f"{name}: mean size by segment", [(one["value"], size) for one in result["segments"] if (size := mean_size(one, name)) is not None])
        for name in result["numbers"]
    ]  # fmt: skip
    return Section(f"By {result['by']}", tables=[Table(head, lines)], charts=charts)


def heading(result: Result, name: str) -> str:
    return f"{name}: flips" if name in result["labels"] else f"{name}: mean size"


def in_segment(one: Mapping[str, Any], name: str) -> str:
    return percent(share(one, name)) if name in one["labels"] else shown(mean_size(one, name))


def share(one: Mapping[str, Any], name: str) -> float | None:
    found: float | None = one["labels"].get(name, {}).get("flip_ratio")
    return found


def mean_size(one: Mapping[str, Any], name: str) -> float | None:
    """What is infinite has no bar."""
    found = one["numbers"].get(name, {}).get("mean_size")
    return found if found is not None and math.isfinite(found) else None


def shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if math.isfinite(value) else str(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * ratio:.3g} %"


def visible(text: str) -> str:
    """Without characters that break a line, or that turn what follows around without being seen."""
    return "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)
