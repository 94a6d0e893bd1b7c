"""Models with versions, aliases and their history, and the moves of aliases."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from modelserve.core.errors import BadInput, NotFound, ServeError
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import check_alias, check_model_name, check_version
from modelserve_control.console.commands import repeat_option, run_command
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import (
    Chosen,
    aria,
    link,
    refusal,
    running_text,
    section,
    soft,
    table,
    while_running,
)
from modelserve_control.console.reading import read_once
from modelserve_control.console.records import HEAD, read_records, record_row
from modelserve_control.deploy.doctor import find_warnings
from modelserve_control.deploy.release.command import format_result
from modelserve_control.deploy.release.options import CHALLENGER
from modelserve_control.registry import catalog, history, messages, promote, show
from modelserve_control.registry.version_ref import CHAMPION

PROMOTE, RELEASE, ROLLBACK = "promote", "release", "rollback"
MAX_REASON: Final = 500


def build(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterator[Any]:
    rows = messages.model_rows(show.models(objects))
    named = [(link(one, Chosen("", one).to("models"), one == chosen.model), *rest) for one, *rest in rows]
    yield section("Models", table(lower(messages.MODELS), named, "Models"))
    if options.write:
        reason = html.Label(["Reason", dcc.Input(id="reason", type="text", maxLength=MAX_REASON)])
        hint = soft("Then press the button of a version, or that of the history.")
        yield section("Move an alias", reason, hint, running_text(), html.Div(id="moved", role="status"))
    life = build_life(options, objects, str(chosen.model), chosen.get("alias") or CHAMPION)
    yield html.Fieldset(html.Div(list(life), id="life"), id="moves")


def build_life(options: ConsoleOptions, objects: Objects, name: str, alias: str) -> Iterator[Any]:
    """What a move changes."""
    at = Chosen("models", name)
    listing = show.versions(objects, name)
    aliases = catalog.aliases(objects, name)
    now = aliases[alias].version if alias in aliases else None
    rows = []
    for version, *facts in reversed(messages.version_rows(listing)):
        move = [] if version == now else list(build_moves(options, name, alias, version))
        rows.append(
            (link(version, at.to("version", version=version)), *facts, *([html.Div(move)] if options.write else []))
        )
    head = (*lower(messages.VERSIONS), *(["move"] if options.write else []))
    yield section(f"Versions of {name}", table(head, rows, "Versions"), *map(soft, messages.unusable_versions(listing)))
    choices = [link(one, at.to("models", alias=one), one == alias) for one in sorted({CHAMPION, CHALLENGER, *aliases})]
    moves = build_history(options, objects, name, alias)
    yield section(f"History of {alias}", html.Nav(choices, **aria(label="Alias")), *moves)
    if records := read_records(objects, name):
        yield section("Releases and retrainings", table(HEAD, map(record_row, records), "Releases and retrainings"))


def lower(head: Iterable[str]) -> list[str]:
    """The command line has the heads of its tables in capitals."""
    return [word.lower() for word in head]


def build_moves(options: ConsoleOptions, name: str, alias: str, version: str) -> Iterator[Any]:
    yield button(PROMOTE, name, alias, version, f"Promote {version} to {alias}")
    if may_release(options):
        yield button(RELEASE, name, alias, version, f"Release {version} to {alias}")


def may_release(options: ConsoleOptions) -> bool:
    return bool(options.data and options.thresholds)


def build_history(options: ConsoleOptions, objects: Objects, name: str, alias: str) -> Iterator[Any]:
    try:
        now, _ = catalog.alias(objects, name, alias)
    except NotFound as error:
        yield soft(error.message)
        return
    if options.write and (before := history.promotions(now)[:-1]):
        version = before[-1].version
        yield button(ROLLBACK, name, alias, version, f"Roll {alias} back to {version}")
    yield table(lower(messages.HISTORY), messages.history_rows(history.history(objects, name, alias)), "History")


def button(action: str, name: str, alias: str, version: str, words: str) -> Any:
    return html.Button(words, id={"action": action, "name": name, "alias": alias, "version": version})


def add_moves(app: Dash, options: ConsoleOptions) -> None:
    """Only where the page may write: elsewhere nothing answers to a button."""
    if not options.write:
        return

    @app.callback(
        Output("moved", "children"),
        Output("life", "children"),
        Output("reason", "value"),
        Input({"action": ALL, "name": ALL, "alias": ALL, "version": ALL}, "n_clicks"),
        State("reason", "value"),
        prevent_initial_call=True,
        running=while_running("moves"),
    )
    def move(_: Any, reason: str | None) -> Any:
        if not ctx.triggered[0]["value"]:  # the button is new, nobody has pressed it
            return no_update, no_update, no_update
        return move_alias(options, ctx.triggered_id, (reason or "").strip()[:MAX_REASON])


def move_alias(options: ConsoleOptions, wanted: Any, reason: str) -> tuple[Any, Any, Any]:
    """The message, the versions and the history after the move, and the text of the field for the reason."""
    action, name, alias, version = (str(wanted[key]) for key in ("action", "name", "alias", "version"))
    if not reason:
        return refusal("A move needs a reason, which the history keeps."), no_update, no_update
    try:
        check_model_name(name)
        check_alias(alias)
        check_version(version)
        with catalog.open_store(options.store) as objects:
            said = run_move(options, objects, action, name, version, alias, reason)
            return html.P(said), list(build_life(options, read_once(objects), name, alias)), ""
    except ServeError as error:
        return refusal(error.message, error.details), no_update, no_update


def run_move(
    options: ConsoleOptions, objects: Objects, action: str, name: str, version: str, alias: str, reason: str
) -> str:
    """The message for the person. Raises ServeError."""
    if action == PROMOTE:
        moved = messages.format_move(promote.promote(objects, name, version, alias, reason))
        return ". ".join([moved, *find_warnings(objects, name, version)])
    if action == ROLLBACK:
        return messages.format_move(promote.rollback(objects, name, alias, reason, version))
    if action == RELEASE and may_release(options):
        return format_result(release(options, name, version, alias, reason))
    raise BadInput(f"The console has no action {action}.")


def release(options: ConsoleOptions, name: str, version: str, alias: str, reason: str) -> dict[str, Any]:
    """It compares on the first of the data, and watches the services that the console was given."""
    what = f"{name}/{version}"
    limits = ["--data", options.data[0], "--thresholds", str(options.thresholds)]
    more = [
        *repeat_option("--url", options.urls),
        *repeat_option("--target", [options.target] if options.target else []),
    ]
    return run_command(options, "release", what, *limits, *more, f"--alias={alias}", f"--reason={reason}")
