"""Error over time by version, as `modelserve evaluate` measures it, with the retrainings marked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dash import dcc, html

from modelserve.store.buckets.objects import Objects
from modelserve_control.console.commands import make_report, repeat_option
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, aria, choice, form, section, soft, table
from modelserve_control.console.records import HEAD, is_retraining, read_records, record_row
from modelserve_control.monitor.stats.windows import UNITS

INK: Final = "#7a838e"  # to be read on light and on dark
GRID: Final = "rgba(122,131,142,0.3)"
Points = Sequence[Mapping[str, Any]]


def build(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterator[Any]:
    if not (options.log and options.labels and options.key and options.target):
        yield soft(
            "There is nothing to measure: start the console with --log FILES, --labels FILES, --key and --target COLUMN."
        )
        return
    yield form(chosen, choice(chosen, "window", "Window", list(UNITS), "day"), button="Measure")
    window = chosen.get("window")
    if window not in UNITS:
        return
    name = str(chosen.model)
    files = [*repeat_option("--log", options.log), *repeat_option("--labels", options.labels)]
    truth = ["--key", options.key, "--target", options.target]
    report = make_report(options, "evaluate", name, *files, *truth, "--window", window)
    records = [record for record in read_records(objects, name) if is_retraining(record)]
    figures = list(report.result["all"]["figures"])
    drawn = [draw(figure, report.result["parts"], records) for figure in figures]
    yield section(f"{name} over time", html.Div(drawn, className="figures"))
    if records:
        yield section("Retrainings", table(HEAD, map(record_row, records), "Retrainings"))
    yield section("Report", report.frame("Quality report"))


def draw(name: str, parts: Points, records: Sequence[Mapping[str, Any]]) -> Any:
    versions = list(dict.fromkeys(part["version"] for part in parts))
    times = [record["started_at"] for record in records if record.get("started_at")]
    marks = [{"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "line": {"dash": "dot", "color": INK}} for at in times]  # fmt: skip
    notes = [{"x": at, "yref": "paper", "y": 1, "yanchor": "bottom", "text": "retraining", "showarrow": False} for at in times]  # fmt: skip
    layout = {
        "title": {"text": name},
        "xaxis": {"type": "date", "gridcolor": GRID, "tickformat": "%Y-%m-%d"},
        "yaxis": {"gridcolor": GRID, "zeroline": False},
        "shapes": marks,
        "annotations": notes,
        "showlegend": True,
        "height": 280,
        "margin": {"t": 60, "b": 40, "l": 60, "r": 20},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK},
    }
    graph = dcc.Graph(
        figure={"data": [trace(name, version, parts) for version in versions], "layout": layout},
        config={"displayModeBar": False, "staticPlot": True},
    )
    label = f"{name} of version{'' if len(versions) == 1 else 's'} {', '.join(versions)}, {len(times)} retrainings"
    return html.Div(graph, role="img", **aria(label=label))


def trace(name: str, version: str, parts: Points) -> dict[str, Any]:
    """With the ends of its intervals; a window without a figure is a gap."""
    own = [part for part in parts if part["version"] == version]
    values = [part["figures"].get(name) for part in own]
    ends = [part["intervals"].get(name) or (value, value) for part, value in zip(own, values, strict=True)]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [None if value is None else high - value for value, (_, high) in zip(values, ends, strict=True)],
        "arrayminus": [None if value is None else value - low for value, (low, _) in zip(values, ends, strict=True)],
    }
    windows = [part["window"] for part in own]
    return {"x": windows, "y": values, "error_y": bars, "mode": "lines+markers", "name": f"version {version}"}
