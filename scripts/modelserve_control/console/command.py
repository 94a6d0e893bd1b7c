"""`modelserve console` on the command line."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from modelserve.core.errors import BadSetting, ServeError
from modelserve_control.common import options
from modelserve_control.common.output import check_installed, exit_on_signals, refuse
from modelserve_control.registry import catalog

LOOPBACK: Final = "127.0.0.1"


@click.command()
@options.store()
@click.option("--log", multiple=True, metavar="FILES", help="The prediction log, or files that score has written.")
@click.option("--data", multiple=True, metavar="FILES", help="Rows to compare and to look for drift in; repeatable.")
@click.option("--labels", multiple=True, metavar="FILES", help=f"The truth: {options.ENDINGS} files.")
@click.option("--key", metavar="COLUMN", help="The column of the labels with the prediction's id.")
@click.option("--target", metavar="COLUMN", help="The column of the labels, and of the data, with the truth.")
@click.option(
    "--thresholds",
    type=options.FILE,
    help="How much it may differ from the version that the alias names (YAML).",
)
@click.option("--url", "urls", multiple=True, help="A service that answers with the alias and is watched; repeatable.")
@click.option("--batches", multiple=True, metavar="PLACE", help="Below it batches write their outputs; repeatable.")
@click.option("--dead-letters", metavar="projects/P/subscriptions/S", help="The subscription that keeps dead letters.")
@click.option("--write", is_flag=True, help="Let the page promote, roll back and release.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8050, help="The port; 0 takes a free one.")
@click.option("--host", default=LOOPBACK, help="The address to listen on; another one needs --origin.")
@click.option("--origin", "origins", multiple=True, metavar="https://HOST", help="Where browsers reach it; repeatable.")
@options.trust
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, also when refused.")
def console(port: int, host: str, origins: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Show a model's life in a browser, until Ctrl-C.

    Models, versions, drift and quality, from the store and the files that are named here. It is read-only without --write. Whoever reaches it may do what it may: docs/console.md.
    """
    exit_on_signals()
    try:
        check_installed(("console", "publish", "monitor"))
        if host != LOOPBACK and not origins:
            raise BadSetting(
                f"--host {host} lets others in: name the address that they use with --origin https://HOST."
            )
        with catalog.open_store(given["store"]):
            pass
        from modelserve_control.console.server import listen
        from modelserve_control.monitor.tables import check_exists

        for address in (*given["log"], *given["data"], *given["labels"]):
            check_exists(address)

        server, url = listen(host, port, origins, given)
        answer = {"url": url, "write": given["write"]}
        click.echo(json.dumps(answer) if as_json else format_answer(answer))
        server.serve_forever()
    except ServeError as error:
        refuse(error, as_json)


def format_answer(answer: Any) -> str:
    mode = "" if answer["write"] else ", read-only"
    return f"The console is at {answer['url']}{mode}. Ctrl-C stops it."
