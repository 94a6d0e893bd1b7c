from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from modelserve_control.common import options
from modelserve_control.common.output import prints_result


def format_result(result: Mapping[str, Any]) -> str:
    lines = [
        f"{service} serves {now['serves']}" + (f" (before: {now['before']})" if now["before"] != now["serves"] else "")
        for service, now in result["services"].items()
    ]
    head = f"{result['outcome']}: {result['record']}" if result["record"] else result["outcome"]
    return "\n".join([head, *lines])


@click.command()
@options.store(", that keeps the record")
@options.project
@click.option(
    "--region", envvar="CLOUDSDK_RUN_REGION", required=True, show_envvar=True, help="The region of the services."
)
@click.option("--predict", multiple=True, metavar="SERVICE", help="A Cloud Run service behind the function predict.")
@click.option(
    "--predict-event", multiple=True, metavar="SERVICE", help="A Cloud Run service behind the function predict_event."
)
@click.option(
    "--serves",
    multiple=True,
    metavar="SERVICE=MODEL[/VERSION]",
    help="The model that the new revision of a service must serve.",
)
@click.option(
    "--code",
    metavar="ARCHIVE|IMAGE",
    help="The archive or the image's digest that must serve in the end; what serves already is left alone.",
)
@click.option(
    "--golden",
    type=options.FILE,
    help='Lines of {"request": ..., "expected": ...} that predict must answer.',
)
@click.option("--shares", default="5,25,50,100", help="Percents of the traffic, one after another.")
@options.number("--watch", 0, 86400, 300, "Seconds to watch each share; Cloud Monitoring's counts are minutes late.")
@options.number("--ready", 0, 3600, 300, "Seconds until a revision is ready.")
@options.number("--max-error-ratio", 0, 1, 0.01, "The largest allowed share of 5xx answers.")
@options.number(
    "--max-latency-factor",
    1,
    None,
    2.0,
    "The largest allowed ratio of the new revision's 95th percentile latency to the old one's.",
)
@click.option(
    "--inside",
    is_flag=True,
    help="This machine is in the services' network: also ask services that are closed to the outside.",
)
@options.token_command
@options.reason
@click.option("--resume", is_flag=True, help="Resume a rollout whose process is dead, with the same command line.")
@click.option("--abort", is_flag=True, help="Put the traffic back, and end the rollout under way.")
@click.argument("deploy", nargs=-1, type=click.UNPROCESSED, metavar="[-- DEPLOY COMMAND...]")
@prints_result(format_result, extras=("cloud",))
def rollout(
    store: str,
    predict: tuple[str, ...],
    predict_event: tuple[str, ...],
    serves: tuple[str, ...],
    golden: Path | None,
    shares: str,
    resume: bool,
    abort: bool,
    **given: Any,
) -> Any:
    """Shift traffic to new revisions in steps, or roll back.

    Pins the revisions that serve now, runs the DEPLOY COMMAND, smoke tests the new revisions at their own addresses, shifts
    the traffic share by share while it watches errors and latency, and promotes. The newest revision is rolled out unless it
    serves already, with or without a command. Name all services that one command deploys.
    """
    from modelserve_control.common.progress import progress
    from modelserve_control.deploy.rollout import run
    from modelserve_control.deploy.rollout.golden import read_golden
    from modelserve_control.deploy.rollout.options import (
        EVENT,
        PREDICT,
        RolloutOptions,
        check_service,
        check_services,
        parse_expected,
        parse_shares,
    )
    from modelserve_control.registry import catalog

    if resume and abort:
        raise click.UsageError("--resume and --abort exclude each other.")
    rollout_options = RolloutOptions(
        functions=tuple(
            (function, check_service(service))
            for function, services in ((PREDICT, predict), (EVENT, predict_event))
            for service in services
        ),
        expected=parse_expected(serves),
        golden=read_golden(golden) if golden else (),
        shares=parse_shares(shares),
        **given,
    )
    if not rollout_options.functions:
        raise click.UsageError("Name the services: --predict SERVICE, --predict-event SERVICE, or both.")
    if not abort:
        check_services(rollout_options)
    action = run.resume if resume else run.abort if abort else run.start
    with catalog.open_store(store) as objects:
        return action(objects, rollout_options, progress())
