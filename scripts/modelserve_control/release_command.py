"""`modelserve release`, the command itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from modelserve_control.output import answers


def told(record: dict[str, Any]) -> str:
    moved = f"{record['name']}@{record['alias']} now names version {record['version']}"
    return f"{moved} ({record['why']}); the record is releases/models/{record['name']}/{record['id']}.json"


@click.command()
@click.argument("name")
@click.argument("version")
@click.option(
    "--store",
    envvar="MODELSERVE_STORE",
    required=True,
    show_envvar=True,
    help="The bucket (gs://B), or a directory laid out like one.",
)
@click.option("--data", required=True, metavar="FILE", help="The rows to compare on (.parquet, .csv, .jsonl).")
@click.option(
    "--thresholds",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="How different it may be from the version that the alias names (YAML).",
)
@click.option("--alias", default="champion", show_default=True, help="The alias that moves.")
@click.option("--by", metavar="COLUMN", help="Compare also by the values of this column.")
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
@click.option("--token-command", help="Prints an identity token for services that need one.")
@click.option(
    "--trust",
    type=click.Choice(["strict", "pickle"]),
    envvar="MODEL_TRUST",
    default="strict",
    show_default=True,
    help="The MODEL_TRUST of the functions.",
)
@click.option("--reason", default="", help="Why, for the alias's record.")
@answers(told)
def release(**given: Any) -> Any:
    """Check VERSION of NAME, compare it with the one in use, promote it, watch it, and roll it back if it fails.

    A release that was stopped goes on with the same command.
    """
    from modelserve_control import catalog
    from modelserve_control.progress import progress
    from modelserve_control.release import Order
    from modelserve_control.release import release as run

    order = Order(**given)
    with catalog.opened(order.store) as objects:
        return run(objects, order, progress())
