"""`modelserve release`, the command itself."""

from __future__ import annotations

from typing import Any

import click

from modelserve_control.common import options
from modelserve_control.common.output import answers


def told(record: dict[str, Any]) -> str:
    moved = f"{record['name']}@{record['alias']} now names version {record['version']}"
    return f"{moved} ({record['why']}); the record is releases/models/{record['name']}/{record['id']}.json"


@click.command()
@options.version
@options.store()
@options.data
@click.option(
    "--thresholds",
    type=options.FILE,
    required=True,
    help="How different it may be from the version that the alias names (YAML).",
)
@options.alias
@options.by
@click.option("--url", "urls", multiple=True, help="A service that answers with the alias, to be watched; repeatable.")
@click.option(
    "--arrive",
    type=click.FloatRange(1, 3_600),
    default=120.0,
    show_default=True,
    help="Seconds for the version to arrive at a --url: MODEL_REFRESH_SECONDS and its start.",
)
@click.option(
    "--watch", type=click.FloatRange(1, 86_400), default=60.0, show_default=True, help="Seconds of answers after that."
)
@click.option(
    "--max-error-ratio",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Roll back when more of these answers fail.",
)
@click.option(
    "--shadow",
    type=click.FloatRange(1, 604_800),
    help="Before it is promoted, seconds in which shadows of running services compare it; as SHADOW_MODEL_URI they have "
    "the alias challenger.",
)
@click.option(
    "--shadow-subscription",
    metavar="projects/P/subscriptions/S",
    help="Where to pull what they tell SHADOW_TOPIC from. It is emptied.",
)
@click.option(
    "--shadow-answers",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="The fewest answers that they must have compared.",
)
@options.token_command
@options.trust
@options.reason
@answers(told, extras=("publish", "cloud"))
def release(**given: Any) -> Any:
    """Check, compare, promote and watch a version, or roll it back.

    VERSION of NAME is compared with the one that the alias names, and rolled back if it fails while it is watched. A
    release that was stopped goes on with the same command.
    """
    from modelserve_control.common.progress import progress
    from modelserve_control.deploy.release.run import Order
    from modelserve_control.deploy.release.run import release as run
    from modelserve_control.registry import catalog

    order = Order(**given)
    with catalog.open_store(order.store) as objects:
        return run(objects, order, progress())
