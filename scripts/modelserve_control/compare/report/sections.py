"""A comparison as sections of text, tables and charts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from modelserve_control.compare.report import columns
from modelserve_control.report.sections import Bars, Histogram, Points, Section
from modelserve_control.report.tables import build_table

Result = Mapping[str, Any]

MAX_TRANSITIONS: Final = 12  # of each output, the most frequent
MAX_REFUSED_ROWS: Final = 20  # of each side, the first


def build_title(result: Result) -> str:
    return f"{side_name(result['a'])} and {side_name(result['b'])}"


def side_name(side: Mapping[str, Any]) -> str:
    return f"{side['name']} version {side['version']} ({side['runtime']})"


def build_sections(result: Result) -> Iterator[Section]:
    yield verdict(result)
    yield rows(result)
    if result["target"] is not None:
        yield target(result["target"])
    if result["labels"]:
        yield labels(result)
    if result["numbers"]:
        yield numbers(result)
    yield contract(result)
    yield latency(result)
    if result["by"] is not None:
        yield segments(result)


def verdict(result: Result) -> Section:
    within, when = result["within"], f"Compared at {result['compared_at']}."
    if within is None:
        return Section("Verdict", ["No thresholds were given.", when])
    if within:
        return Section("Verdict", ["B is within the thresholds.", when], passed=True)
    breaches = build_table(columns.BREACHES, result["breaches"])
    return Section("Verdict", ["B exceeds the thresholds.", when], [breaches], passed=False)


def rows(result: Result) -> Section:
    reasons = [{"side": side.upper(), **one} for side in ("a", "b") for one in result[side]["reasons"]]
    refused = [{"side": side.upper(), **one} for side in ("a", "b") for one in result[side]["named"][:MAX_REFUSED_ROWS]]
    tables = [build_table(columns.ROWS, [result])]
    if reasons:
        tables += [build_table(columns.REASONS, reasons), build_table(columns.REFUSED_ROWS, refused)]
    return Section("Rows", ["Rows are counted from 0."], tables)


def target(found: Mapping[str, Any]) -> Section:
    """Both sides against the truth."""
    sides = [{"side": side.upper(), **found[side]} for side in ("a", "b")]
    names = list(dict.fromkeys(name for side in sides for name in side["figures"]))
    tables = [build_table(columns.quality(names), sides)] if names else []
    charts = [Points(name, list(points(sides, name))) for name in names]
    return Section(f"Against {found['column']}", ["Over the rows that both have answered."], tables, charts)


def points(sides: Sequence[Mapping[str, Any]], name: str) -> Iterator[tuple[str, float, float, float]]:
    for side in sides:
        value, interval = side["figures"].get(name), side["intervals"].get(name)
        if value is not None and interval is not None:
            yield (side["side"], value, *interval)


def labels(result: Result) -> Section:
    found = outputs(result["labels"])
    transitions = [
        {"output": one["output"], **transition} for one in found for transition in one["transitions"][:MAX_TRANSITIONS]
    ]
    tables = [build_table(columns.FLIPS, found)]
    if transitions:
        tables.append(build_table(columns.TRANSITIONS, transitions))
    return Section("Flips", tables=tables)


def numbers(result: Result) -> Section:
    found = outputs(result["numbers"])
    tables = [build_table(columns.DIFFERENCES, found)]
    for key, what in (("quantiles", "difference"), ("size_quantiles", "size")):
        tables.append(build_table(columns.quantiles(what, key, found[0][key]), found))
    charts = [Histogram(f"{one['output']}: B - A", one["histogram"]) for one in found if len(one["histogram"]) > 1]
    return Section("Differences", ["Differences are B - A; a size is a difference without its sign."], tables, charts)


def outputs(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"output": name, **one} for name, one in found.items()]


def contract(result: Result) -> Section:
    if not result["schema"]:
        return Section("Contract", ["Columns, types, methods and classes are the same."])
    return Section("Contract", tables=[build_table(columns.CONTRACT, result["schema"])])


def latency(result: Result) -> Section:
    sides = [
        {"side": side.upper(), "rows_per_second": result[side]["rows_per_second"], **result["latency"][side]}
        for side in ("a", "b")
    ]
    bars = [
        (f"{side['side']} {key}", side[key]) for key in ("p50", "p95", "p99") for side in sides if side[key] is not None
    ]
    charts = [Bars("One row alone", bars, " ms")] if bars else []
    return Section("Latency", tables=[build_table(columns.LATENCY, sides)], charts=charts)


def segments(result: Result) -> Section:
    found = result["segments"]
    charts = [
        Bars(f"{name}: flips by segment", values(found, "labels", name, "flip_ratio", 100), " %")
        for name in result["labels"]
    ]
    charts += [
        Bars(f"{name}: mean size by segment", values(found, "numbers", name, "mean_size")) for name in result["numbers"]
    ]
    table = build_table(columns.segments(result["labels"], result["numbers"]), found)
    return Section(f"By {result['by']}", tables=[table], charts=charts)


def values(
    found: Sequence[Mapping[str, Any]], kind: str, name: str, key: str, factor: float = 1
) -> list[tuple[str, float]]:
    pairs = ((one["value"], one[kind].get(name, {}).get(key)) for one in found)
    return [(segment, factor * value) for segment, value in pairs if value is not None and math.isfinite(value)]
