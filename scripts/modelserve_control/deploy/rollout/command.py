"""`modelserve rollout`: its options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from modelserve.core.errors import BadSetting
from modelserve_control.common import options
from modelserve_control.common.output import answers


def worded(result: Mapping[str, Any]) -> str:
    lines = [
        f"{service} serves {now['serves']}" + (f" (before: {now['before']})" if now["before"] != now["serves"] else "")
        for service, now in result["services"].items()
    ]
    return "\n".join([f"{result['outcome']}: {result['record']}", *lines])


@click.command()
@options.store(", that keeps the record")
@options.project
@click.option("--region", envvar="CLOUDSDK_RUN_REGION", required=True, show_envvar=True, help="Of the services.")
@click.option("--predict", metavar="SERVICE", help="The Cloud Run service behind the function predict.")
@click.option("--predict-event", metavar="SERVICE", help="The same for predict_event.")
@click.option("--model", help="The model that the new revision must serve.")
@click.option("--model-version", help="Its version.")
@click.option(
    "--golden",
    type=options.FILE,
    help='Lines of {"request": ..., "expected": ...} that predict must answer.',
)
@click.option(
    "--shares", default="5,25,50,100", show_default=True, help="Percents of the traffic, one after the other."
)
@click.option(
    "--watch",
    type=click.FloatRange(0, 86400),
    default=300,
    show_default=True,
    help="Seconds that each share is watched; what Monitoring counts is minutes late.",
)
@click.option(
    "--ready", type=click.FloatRange(0, 3600), default=300, show_default=True, help="Seconds until a revision is ready."
)
@click.option("--max-error-ratio", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Of 5xx answers.")
@click.option(
    "--max-latency-factor",
    type=click.FloatRange(1),
    default=2.0,
    show_default=True,
    help="The new revision's 95th percentile against the old one's.",
)
@click.option(
    "--inside", is_flag=True, help="This machine is in the services' network: ask those too that are closed to others."
)
@options.token_command
@options.reason
@click.option("--resume", is_flag=True, help="Go on with a rollout whose process is dead; say the same line again.")
@click.option("--abort", is_flag=True, help="Put the traffic back, and end the rollout that is under way.")
@click.argument("deploy", nargs=-1, type=click.UNPROCESSED, metavar="[-- DEPLOY COMMAND...]")
@answers(worded, extras=("cloud",))
def rollout(**given: Any) -> Any:
    """Shift traffic to new revisions in steps, and back on any doubt.

    Pins the revisions that serve now, runs the DEPLOY COMMAND, smoke tests what it made at an address of its own, shifts
    the traffic share by share while watching errors and latency, and promotes. Without a command the newest revision is
    rolled out. Name both services when both are deployed by one command.
    """
    return ordered(**given)


def ordered(
    store: str,
    predict: str | None,
    predict_event: str | None,
    golden: Path | None,
    shares: str,
    resume: bool,
    abort: bool,
    **given: Any,
) -> Any:
    from modelserve_control.common.progress import progress
    from modelserve_control.deploy.rollout import run
    from modelserve_control.deploy.rollout.golden import read_golden
    from modelserve_control.deploy.rollout.order import EVENT, PREDICT, Order, parse_shares
    from modelserve_control.registry import catalog

    if resume and abort:
        raise click.UsageError("--resume goes on and --abort goes back: say one of them.")
    named = ((PREDICT, predict), (EVENT, predict_event))
    order = Order(
        functions=tuple((function, checked(service)) for function, service in named if service),
        golden=read_golden(golden) if golden else (),
        shares=parse_shares(shares),
        **given,
    )
    if not order.functions:
        raise click.UsageError("Name what is rolled out: --predict SERVICE, --predict-event SERVICE, or both.")
    how = run.resume if resume else run.abort if abort else run.start
    with catalog.open_store(store) as objects:
        return how(objects, order, progress())


def checked(service: str) -> str:
    import re

    from modelserve_control.deploy.rollout.order import SERVICE

    if not re.fullmatch(SERVICE, service):
        raise BadSetting("A service's name has lower-case letters, digits and hyphens, like churn-predict.")
    return service
