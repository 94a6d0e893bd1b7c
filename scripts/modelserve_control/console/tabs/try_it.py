"""One row, scored in this process by the version that is chosen, as a function scores it."""

import asyncio
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from modelserve.core.errors import ServeError
from modelserve.http.docs.columns import example_records, record_schema
from modelserve.models import scoring
from modelserve.models.version import Loaded
from modelserve.schema.batch import Table
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import check_model_name, check_version
from modelserve_control.batch.models import load_model
from modelserve_control.common.progress import Lines
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import (
    Chosen,
    choice,
    form,
    refusal,
    running_text,
    section,
    soft,
    table,
    while_running,
)
from modelserve_control.console.tabs.version import choose_version, flatten, list_versions
from modelserve_control.registry import version_ref

Schema = Mapping[str, Any]
ANSWER: Final = ("of", "answer")
MAX_KNOWN: Final = 10  # categories that stand below a field


def build(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterator[Any]:
    name, version = str(chosen.model), choose_version(objects, chosen)
    yield form(chosen, choice(chosen, "version", "Version", list_versions(objects, name), version), button="Show")
    with load_version(options, name, version) as loaded:
        schema = record_schema(loaded)
        example = next(iter(example_records(loaded)), {})
    columns: Mapping[str, Schema] = schema.get("properties", {})
    if not columns:
        yield soft("The model has no signature, so there is no form for it.")
        return
    fields = [field(column, found, example.get(column)) for column, found in columns.items()]
    button = html.Button("Predict", id={"predict": name, "version": version})
    row = html.Fieldset([html.Div(fields, className="row cells"), button], id="row")
    yield section("One row", row, running_text())
    yield html.Div(id="answer", role="status")


def load_version(options: ConsoleOptions, name: str, version: str) -> AbstractContextManager[Loaded]:
    uri = version_ref.version_uri(f"{check_model_name(name)}/{check_version(version)}", options.store)
    return load_model(uri, options.trust, Lines(io.StringIO()))


def kind(schema: Schema) -> Schema:
    """Without the null of a column that may be empty."""
    found: Schema = schema.get("anyOf", [schema])[0]
    return found


def field(name: str, schema: Schema, value: Any) -> Any:
    known = [str(one) for one in kind(schema).get("enum", [])]
    shown = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    cell = dcc.Input(id={"cell": name}, type="text", value=shown, list=f"known-{name}" if known else "")
    choices = [html.Datalist([html.Option(value=one) for one in known], id=f"known-{name}")] if known else []
    if known:  # a browser lists only those that begin as the field does
        more = ", ..." if len(known) > MAX_KNOWN else ""
        choices.append(soft(f"{', '.join(known[:MAX_KNOWN])}{more}"))
    return html.Div([html.Label([name, cell]), *choices, html.Div(id={"bad": name}, className="bad")])


def add_prediction(app: Dash, options: ConsoleOptions) -> None:
    @app.callback(
        Output("answer", "children"),
        Output({"bad": ALL}, "children"),
        Input({"predict": ALL, "version": ALL}, "n_clicks"),
        State({"cell": ALL}, "id"),
        State({"cell": ALL}, "value"),
        prevent_initial_call=True,
        running=while_running("row"),
    )
    def predict(_: Any, ids: list[dict[str, str]], values: list[str | None]) -> Any:
        if not ctx.triggered[0]["value"]:  # the button is new, nobody has pressed it
            return no_update, [no_update] * len(ids)
        names = [one["cell"] for one in ids]
        bad: dict[str, str] = {}
        try:
            with load_version(options, ctx.triggered_id["predict"], ctx.triggered_id["version"]) as loaded:
                found = list(score_row(loaded, dict(zip(names, values, strict=True))))
        except ServeError as error:
            bad = {str(one["column"]): str(one["reason"]) for one in error.details if one["column"] in names}
            others = [one for one in error.details if one["column"] not in names]
            found = [refusal(error.message, others)]
        return found, [bad.get(name, "") for name in names]


def score_row(loaded: Loaded, texts: Mapping[str, str | None]) -> Iterator[Any]:
    """Raises ServeError."""
    columns = record_schema(loaded).get("properties", {})
    cells = {name: [read_cell(columns.get(name, {}), text or "")] for name, text in texts.items()}
    batch = scoring.check(loaded, Table(cells, 1))
    [result] = asyncio.run(scoring.batch_results(loaded, batch, scoring.check_params(loaded, {}), None))
    title = f"Answer of {loaded.name} version {loaded.version}"
    yield section(title, table(ANSWER, flatten(result), "Answer"))
    if unknown := sum(loaded.count_unknown(batch)):
        yield html.P(f"Cells with a category that the model has never seen: {unknown}.", className="bad")


def read_cell(schema: Schema, text: str) -> Any:
    """As JSON has it; what is not JSON is text, and no cell of a number."""
    if kind(schema).get("type") == "string":
        return None if text == "" and "anyOf" in schema else text
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text
