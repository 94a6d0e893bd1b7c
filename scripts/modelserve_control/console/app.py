"""The application: one page whose address says which tab, model and version it shows."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from dash import Dash, Input, Output, dcc, html

from modelserve.core.errors import ServeError
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, aria, link, refusal
from modelserve_control.console.tabs import models
from modelserve_control.registry import catalog

TABS: Final = {"models": ("Models", models.build)}
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
    app.layout = html.Div([dcc.Location(id="address"), html.Header(id="head"), html.Main(id="tab")])

    @app.callback(
        Output("head", "children"), Output("tab", "children"), Input("address", "pathname"), Input("address", "search")
    )
    def show(path: str | None, search: str | None) -> Any:
        chosen = Chosen((path or "").strip("/") or "models", dict(parse_qsl((search or "").lstrip("?"))))
        return build_head(options, chosen), build_tab(options, chosen)

    models.add_moves(app, options)
    return app


def build_head(options: ConsoleOptions, chosen: Chosen) -> list[Any]:
    mode = "Aliases may be moved." if options.write else "Read-only."
    links = [link(title, chosen.to(tab), tab == chosen.tab) for tab, (title, _) in TABS.items()]
    return [
        html.H1("modelserve"),
        html.P(f"{options.store}. {mode}", className="soft"),
        html.Nav(links, **aria(label="Tabs")),
    ]


def build_tab(options: ConsoleOptions, chosen: Chosen) -> Any:
    if chosen.tab not in TABS:
        return refusal(f"There is no tab {chosen.tab}.")
    try:
        with catalog.open_store(options.store) as objects:
            return list(TABS[chosen.tab][1](options, objects, chosen))
    except ServeError as error:
        return refusal(error.message, error.details)
