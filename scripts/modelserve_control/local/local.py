"""`modelserve local`: the stack on this machine, in the foreground or kept in the background."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from modelserve.core.errors import BadSetting, ServeError
from modelserve.store.names import locations
from modelserve_control.common import processes
from modelserve_control.common.output import REFUSED, prints_result, refuse, table
from modelserve_control.registry import version_ref

if TYPE_CHECKING:
    from modelserve_control.local.stack import Options


def _format_stop(result: Mapping[str, Any]) -> str:
    if result["stopped"]:
        return "The local stack is stopped; its store, topics and prediction log are removed."
    if "log" in result:
        return f"The local stack had ended by itself; {result['log']} says why."
    return "No local stack was kept running."


def _format_status(result: Mapping[str, Any]) -> str:
    if not result["running"]:
        return "No local stack runs in the background; `modelserve local up --keep` starts one."
    return _format_addresses(result, "modelserve local down") if "storage" in result else "The local stack is starting."


@click.group(context_settings={"show_default": True})
def local() -> None:
    """Storage, Pub/Sub and both functions on this machine."""
    os.environ.update(processes.without_proxy(os.environ))


@local.command()
@click.option("--keep", is_flag=True, help="Leave it running in the background.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, on one line, with all addresses and names."
)
@click.option("--pubsub", type=click.Choice(["embedded", "official"]), default="embedded")
@click.option("--model", default="churn", help="The model of `predict`: NAME[@ALIAS|/VERSION], or a MODEL_URI.")
@click.option("--event-model", default="flights", help="The same for `predict_event`.")
@click.option("--bucket", default="modelserve-local", help="The bucket that holds the models.")
@click.option("--gke", is_flag=True, help="Also start the container's entry points: http, events and worker.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="A setting of every process; may be repeated.")
def up(keep: bool, as_json: bool, **given: Any) -> None:
    """Start everything. Without --keep Ctrl-C or SIGTERM stops it.

    Set STORAGE_EMULATOR_HOST to the storage address and publish models to gs://BUCKET; the functions then activate them.
    If STORAGE_EMULATOR_HOST or PUBSUB_EMULATOR_HOST is set, that server is used and none is started.
    """
    try:
        processes.checkout()
        _check_options(**given)
        if keep:
            from modelserve_control.local import background

            addresses = background.start(_arguments(**given))
            click.echo(json.dumps(addresses) if as_json else _format_addresses(addresses, "modelserve local down"))
        else:
            _run_in_foreground(as_json, _options(**given))
    except ServeError as error:
        refuse(error, as_json)


@local.command()
@prints_result(_format_stop)
def down() -> Any:
    """Stop the stack that `local up --keep` started."""
    from modelserve_control.local import background

    return background.stop()


@local.command()
@prints_result(_format_status, status=lambda result: 0 if result["running"] else REFUSED)
def status() -> Any:
    """Show the addresses of the stack in the background.

    The exit status is 1 if none runs.
    """
    from modelserve_control.local import background

    return background.status()


@local.command()
@click.argument("process", required=False)
@prints_result(lambda result: str(result["text"]))
def logs(process: str | None) -> Any:
    """Print the last lines of the stack's processes.

    PROCESS is one of them, for example predict.
    """
    from modelserve_control.local import background

    return {"text": background.logs(process)}


def _run_in_foreground(as_json: bool, options: Options) -> None:
    from modelserve_control.local.stack import Stack

    # A shell starts background processes with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        with Stack(options) as stack:
            addresses = stack.addresses.as_json()
            click.echo(json.dumps(addresses) if as_json else _format_addresses(addresses, "Ctrl-C"))
            stack.watch()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def _check_options(model: str, event_model: str, bucket: str, env: Sequence[str], **_: Any) -> None:
    locations.parse_store(f"gs://{bucket}")
    for option, text in (("--model", model), ("--event-model", event_model)):
        try:
            locations.parse(_uri(text, bucket))
        except BadSetting as error:
            raise BadSetting(f"{option} {text!r} is neither a name nor a MODEL_URI. {error.message}") from None
    for text in env:
        _parse_setting(text)


def _options(pubsub: str, model: str, event_model: str, bucket: str, gke: bool, env: Sequence[str]) -> Options:
    from modelserve_control.local.stack import Function, Options

    environ = dict(_parse_setting(text) for text in env)
    predict, predict_event = (Function(_uri(text, bucket), environ) for text in (model, event_model))
    return Options(predict=predict, predict_event=predict_event, gke=gke, pubsub=pubsub, bucket=bucket)


def _arguments(pubsub: str, model: str, event_model: str, bucket: str, gke: bool, env: Sequence[str]) -> list[str]:
    options = [f"--pubsub={pubsub}", f"--model={model}", f"--event-model={event_model}", f"--bucket={bucket}"]
    return [*options, *(["--gke"] if gke else []), *(f"--env={text}" for text in env)]


def _uri(text: str, bucket: str) -> str:
    return version_ref.version_uri(text, f"gs://{bucket}") if version_ref.SHORT_FORM.fullmatch(text) else text


def _parse_setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise BadSetting(f"--env takes NAME=VALUE, not {text!r}.")
    return name, value


def _format_addresses(addresses: Mapping[str, Any], stop: str) -> str:
    shown = {key: value for key, value in addresses.items() if isinstance(value, str)}
    shown |= {f"topic {name}": value for name, value in addresses["topics"].items()}
    shown |= {f"subscription {name}": value for name, value in addresses["subscriptions"].items()}
    lines = table([(key, value) for key, value in shown.items()])
    publish = f"modelserve publish SOURCE --name NAME --alias champion --store gs://{addresses['bucket']}"
    lines.append(f"Publish to it with: STORAGE_EMULATOR_HOST={addresses['storage']} {publish}")
    return "\n".join([*lines, f"Stop it with: {stop}"])


if __name__ == "__main__":
    local(prog_name="modelserve local")
