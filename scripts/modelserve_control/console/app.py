"""The application: one page whose address says which tab, model and version it shows."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from dash import Dash, Input, Output, dcc, html

from modelserve.core.errors import NotFound, ServeError
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import check_alias, check_model_name, check_version
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, aria, link, refusal, soft
from modelserve_control.console.reading import read_once
from modelserve_control.console.tabs import batches, compare, dead_letters, drift, models, quality, try_it, version
from modelserve_control.registry import catalog

Build = Callable[[ConsoleOptions, Objects, Chosen], Iterable[Any]]
FIRST: Final = "models"
TABS: Final[dict[str, tuple[str, Build]]] = {
    FIRST: ("Models", models.build),
    "version": ("Version", version.build),
    "compare": ("Compare", compare.build),
    "drift": ("Drift", drift.build),
    "quality": ("Quality", quality.build),
    "batches": ("Batches", batches.build),
    "dead-letters": ("Dead letters", dead_letters.build),
    "try": ("Try it", try_it.build),
}
CHECKS: Final = {"model": check_model_name, "version": check_version, "alias": check_alias}  # of what an address names
INDEX: Final = """<!DOCTYPE html>
<html lang="en"><head>{%metas%}<title>{%title%}</title><link rel="icon" href="data:,">{%css%}</head>
<body>{%app_entry%}{%config%}{%scripts%}{%renderer%}</body></html>
"""


def build_app(options: ConsoleOptions) -> Dash:
    app = Dash(
        "modelserve",
        title="modelserve",
        update_title="",
        assets_folder=str(Path(__file__).with_name("assets")),
        index_string=INDEX,
        suppress_callback_exceptions=True,  # each tab has controls of its own
        enable_mcp=False,
    )
    app.layout = html.Div([dcc.Location(id="address"), html.Header(id="head"), html.Main(soft("Reading."), id="tab")])

    @app.callback(
        Output("head", "children"), Output("tab", "children"), Input("address", "pathname"), Input("address", "search")
    )
    def show(path: str | None, search: str | None) -> Any:
        return build_page(options, (path or "").strip("/") or FIRST, dict(parse_qsl((search or "").lstrip("?"))))

    models.add_moves(app, options)
    try_it.add_prediction(app, options)
    return app


def build_page(options: ConsoleOptions, tab: str, values: dict[str, str]) -> tuple[Any, Any]:
    """What stands above the tab, and the tab."""
    chosen = Chosen(tab, None, {})
    names: list[str] = []
    try:
        for key, check in CHECKS.items():
            if values.get(key):
                check(values[key])
        with catalog.open_store(options.store) as opened:
            objects = read_once(opened)
            names = catalog.models(objects)
            chosen = Chosen(tab, values.get("model") or next(iter(names), None), values)
            return build_head(options, chosen, names), collect_parts(build_tab(options, objects, chosen))
    except ServeError as error:
        return build_head(options, chosen, names), refusal(error.message, error.details)


def collect_parts(found: Iterable[Any]) -> list[Any]:
    """Those that came before an error stay below it: the form that asked for a measurement is there to ask again."""
    parts: list[Any] = []
    try:
        for part in found:
            parts.append(part)  # noqa: PERF402 - `extend` need not keep what came before an error
    except ServeError as error:
        return [refusal(error.message, error.details), *parts]
    return parts


def build_head(options: ConsoleOptions, chosen: Chosen, names: list[str]) -> list[Any]:
    mode = "Aliases may be moved." if options.write else "Read-only."
    version = chosen.get("version")
    tabs = [link(title, chosen.to(tab, version=version), tab == chosen.tab) for tab, (title, _) in TABS.items()]
    models = [link(one, Chosen(chosen.tab, one).to(chosen.tab), one == chosen.model) for one in names]
    return [
        html.H1("modelserve"),
        html.P(f"{options.store}. {mode}", className="soft"),
        html.Nav(models, **aria(label="Models")),
        html.Nav(tabs, className="tabs", **aria(label="Tabs")),
    ]


def build_tab(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterable[Any]:
    if chosen.tab not in TABS:
        raise NotFound(f"The console has no tab {chosen.tab}.")
    if chosen.model is None:
        raise NotFound("The store has no models: modelserve publish adds one.")
    build: Build = TABS[chosen.tab][1]
    return build(options, objects, chosen)
