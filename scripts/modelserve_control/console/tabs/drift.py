"""Drift by column and window, as `modelserve drift` measures it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dash import html

from modelserve.store.buckets.objects import Objects
from modelserve_control.console.commands import make_report, repeat_option
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, choice, form, section, soft, table
from modelserve_control.console.tabs.version import list_versions
from modelserve_control.monitor.stats.windows import UNITS
from modelserve_control.registry import catalog, version_ref

LOG: Final = "the prediction log"
ALL: Final = "all rows"


def build(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterator[Any]:
    name = str(chosen.model)
    sources: dict[str, tuple[str, ...]] = {one: (one,) for one in options.data}
    if options.log:
        sources = {LOG: options.log, **sources}
    if not sources:
        yield soft("There are no rows to look at: start the console with --log FILES or --data FILES.")
        return
    versions = [*catalog.aliases(objects, name), *list_versions(objects, name)]
    controls = [
        choice(chosen, "rows", "Rows", list(sources)),
        *(
            [choice(chosen, "window", "Window (of the log; files are one)", (ALL, *UNITS), "day")]
            if options.log
            else []
        ),
        choice(chosen, "against", "Against the profile of", versions, version_ref.CHAMPION),
    ]
    yield form(chosen, *controls, button="Measure")
    rows, window, against = (chosen.get(key) for key in ("rows", "window", "against"))
    if rows in sources and against in versions:
        cut = ["--window", str(window)] if rows == LOG and window in UNITS else []
        report = make_report(
            options, "drift", name, *repeat_option("--data", sources[rows]), "--against", str(against), *cut
        )
        yield section(f"Drift from version {report.result['version']}", *build_matrix(report.result))
        yield section("Report", report.frame("Drift report"))


def build_matrix(result: Mapping[str, Any]) -> Iterator[Any]:
    """A row for each column, a column for each window."""
    windows = [{**window["columns"], **window["predictions"]} for window in result["windows"]]
    names = dict.fromkeys(name for window in windows for name in window)
    rows = [(name, *(cell(window.get(name)) for window in windows)) for name in names]
    head = ("column", *(f"{one['window']} ({one['rows']:,} rows)" for one in result["windows"]))
    yield html.P("A column has drifted." if result["drift"] else "No column has drifted.", role="status")
    yield table(head, rows, "Drift by column and window")


def cell(found: Mapping[str, Any] | None) -> Any:
    if found is None or not found["drift"]:
        return "-"
    sizes = (f"{name} {found['tests'][name]['effect']:.2f}" for name in found["reasons"])
    return html.Strong(", ".join(sizes), className="bad")
