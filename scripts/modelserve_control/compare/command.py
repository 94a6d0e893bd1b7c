"""`modelserve compare`, the command itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from modelserve_control.compare import words
from modelserve_control.output import answers


@click.command()
@click.argument("subjects", metavar="[NAME] A B", nargs=-1, required=True)
@click.option("--data", required=True, metavar="FILE", help="The rows (.parquet, .csv, .jsonl), a path or gs://.")
@click.option("--store", envvar="MODELSERVE_STORE", show_envvar=True, help="Where NAME is.")
@click.option("--by", metavar="COLUMN", help="Tell everything also by the values of this column.")
@click.option(
    "--thresholds",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="How different B may be (YAML); beyond that the exit status is 1.",
)
@click.option("--markdown", metavar="FILE", help="Write the report as Markdown.")
@click.option("--html", metavar="FILE", help="Write the report as one HTML file with charts.")
@click.option("--overwrite", is_flag=True, help="Replace the reports if they are there.")
@click.option(
    "--batch-rows", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Rows per call."
)
@click.option("--method", help="A predict_method of both, for example predict_proba.")
@click.option(
    "--trust",
    type=click.Choice(["strict", "pickle"]),
    envvar="MODEL_TRUST",
    default="strict",
    show_default=True,
    help="The MODEL_TRUST of the functions.",
)
@click.option("--token-command", help="Prints an identity token for services that need one.")
@answers(words.compared, status=lambda result: int(result["within"] is False), refused=2)
def compare(subjects: tuple[str, ...], **given: Any) -> Any:
    """Score the rows of a file with A and with B, and tell what differs.

    A and B are aliases or versions of NAME; or NAME[@ALIAS|/VERSION] each, any MODEL_URI, or the https:// address of a
    running service. The exit
    status is 0 when B is within the thresholds or there are none, 1 when it is beyond them, 2 when the two could not
    be compared.
    """
    from modelserve_control.compare.run import Order
    from modelserve_control.compare.run import compare as run
    from modelserve_control.progress import progress

    if len(subjects) not in (2, 3):
        raise click.UsageError("Name two models, or a model and two of its versions or aliases.")
    *name, a, b = subjects
    return run(Order(name[0] if name else None, a, b, **given), progress())
