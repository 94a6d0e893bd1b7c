"""The commands that list versions and move aliases."""

from typing import Any, Final

import click

from modelserve_control.common import options
from modelserve_control.common.output import prints_result
from modelserve_control.registry import catalog, messages, version_ref
from modelserve_control.registry import delete as deletion
from modelserve_control.registry import history as moves
from modelserve_control.registry import promote as promotion
from modelserve_control.registry import show as listing


@click.command()
@click.argument("name")
@options.store()
@options.alias
@click.option("--to", metavar="VERSION", help="An earlier version of the alias, instead of the one before.")
@options.reason
@prints_result(messages.format_move)
def rollback(name: str, store: str, alias: str, to: str | None, reason: str) -> Any:
    """Move an alias of NAME back to the version it named before.

    A second rollback goes one version further back. `modelserve history` lists the moves.
    """
    with catalog.open_store(store) as objects:
        return promotion.rollback(objects, name, alias, reason, to)


@click.command()
@click.argument("name")
@options.store()
@options.alias
@prints_result(messages.format_history)
def history(name: str, store: str, alias: str) -> Any:
    """List the last 100 moves of an alias of NAME: when, who and why."""
    with catalog.open_store(store) as objects:
        return moves.history(objects, name, alias)


@click.command("list")
@options.store()
@prints_result(messages.format_models)
def list_models(store: str) -> Any:
    """List the models of a store and their aliases."""
    with catalog.open_store(store) as objects:
        return listing.models(objects)


@click.command()
@click.argument("name")
@options.store()
@prints_result(messages.format_versions)
def versions(name: str, store: str) -> Any:
    """List the versions of NAME and their aliases."""
    with catalog.open_store(store) as objects:
        return listing.versions(objects, name)


@click.command()
@click.argument("what", metavar=version_ref.METAVAR)
@options.store()
@prints_result(messages.format_show)
def show(what: str, store: str) -> Any:
    """Show a model, or the manifest of one version."""
    with catalog.open_store(store) as objects:
        return listing.show(objects, what)


@click.command()
@options.version
@options.store()
@click.option(
    "--incomplete", is_flag=True, help="Delete the files that a killed publisher left; make sure that none is running."
)
@prints_result(messages.format_delete)
def delete(name: str, version: str, store: str, incomplete: bool) -> Any:
    """Delete VERSION of NAME, unless an alias needs it.

    An alias needs the version that it names and the one to which it would be rolled back.
    """
    with catalog.open_store(store) as objects:
        return deletion.delete(objects, name, version, incomplete)


COMMANDS: Final = (rollback, history, list_models, versions, show, delete)
