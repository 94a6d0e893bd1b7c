from typing import Any

import click

from modelserve_control.common import options
from modelserve_control.common.output import prints_result
from modelserve_control.compare.report import terminal


@click.command()
@click.argument("subjects", metavar="[NAME] A B", nargs=-1, required=True)
@options.data
@options.store(", that holds the versions of NAME", required=False)
@options.by
@options.target
@click.option(
    "--thresholds",
    type=options.FILE,
    help="How much B may differ (YAML). The exit status is 1 when it differs by more.",
)
@options.reports
@options.batch_rows
@options.method
@options.trust
@options.token_command
@prints_result(
    terminal.format_result, status=lambda result: int(result["within"] is False), refused=2, extras=("publish",)
)
def compare(subjects: tuple[str, ...], **given: Any) -> Any:
    """Score the rows of a file with A and B, and compare them.

    A and B are aliases or versions of NAME; or NAME[@ALIAS|/VERSION] each, any MODEL_URI, or the https:// address of a
    running service. The exit status is 0 when B is within the thresholds or there are none, 1 when it exceeds them, 2
    when the two could not be compared.
    """
    from modelserve_control.common.progress import progress
    from modelserve_control.compare.run import CompareOptions
    from modelserve_control.compare.run import compare as run

    if len(subjects) not in (2, 3):
        raise click.UsageError("Name two models, or a model and two of its versions or aliases.")
    *name, a, b = subjects
    return run(CompareOptions(name[0] if name else None, a, b, **given), progress())
