from typing import Any

import click

from modelserve_control.common import options
from modelserve_control.common.output import prints_result


def format_result(record: dict[str, Any]) -> str:
    moved = f"{record['name']}@{record['alias']} now names version {record['version']}"
    return f"{moved} ({record['why']}); the record is releases/models/{record['name']}/{record['id']}.json"


@click.command()
@options.version
@options.store()
@options.data
@click.option(
    "--thresholds",
    type=options.THRESHOLDS,
    required=True,
    help="How much it may differ from the version that the alias names (YAML).",
)
@options.alias
@options.by
@options.target
@click.option("--url", "urls", multiple=True, help="A service that answers with the alias and is watched; repeatable.")
@options.number(
    "--arrive",
    1,
    3_600,
    120.0,
    "Seconds until a --url must answer with the version: MODEL_REFRESH_SECONDS and its loading time.",
)
@options.number("--watch", 1, 86_400, 60.0, "Seconds to watch each --url after that.")
@options.number("--max-error-ratio", 0, 1, 0.0, "Roll back when a larger share of these answers fails.")
@click.option(
    "--shadow",
    type=click.FloatRange(1, 604_800),
    help="Seconds in which the shadows of running services compare it before it is promoted; their SHADOW_MODEL_URI "
    "names the alias challenger.",
)
@click.option(
    "--shadow-subscription",
    metavar="projects/P/subscriptions/S",
    help="A subscription to their SHADOW_TOPIC. All its messages are pulled.",
)
@click.option(
    "--shadow-answers",
    type=click.IntRange(1),
    default=100,
    help="The least number of answers that they must compare.",
)
@options.token_command
@options.trust
@options.reason
@prints_result(format_result, extras=("publish", "cloud"))
def release(**given: Any) -> Any:
    """Check, compare, promote and watch a version, or roll it back.

    VERSION of NAME is compared with the version that the alias names. The same command resumes a release that was
    stopped.
    """
    from modelserve_control.common.progress import progress
    from modelserve_control.deploy.release.options import ReleaseOptions
    from modelserve_control.deploy.release.run import release as run
    from modelserve_control.registry import catalog

    release_options = ReleaseOptions(**given)
    with catalog.open_store(release_options.store) as objects:
        return run(objects, release_options, progress())
