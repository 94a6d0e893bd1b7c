"""`modelserve score` on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from modelserve_control.common import options
from modelserve_control.common.output import REFUSED, Result, advice, prints_result
from modelserve_control.common.progress import progress
from modelserve_control.registry.messages import count

SUMMARY: Final = "{model} version {version}: {rows:,} rows, {scored:,} scored, {failed:,} failed in {seconds:.1f} s, {rows_per_second:,} rows/s"


def format_counts(result: Result) -> str:
    unknown = result["unknown_categories"]
    cells = [f"  {unknown:,} cells hold a category that the model has never seen"] if unknown else []
    reasons = [f"  {count(rows, 'row')}: {reason}" for reason, rows in result["reasons"].items()]
    return "\n".join([SUMMARY.format_map(result), *cells, *reasons, *advice(*result["reasons"])])


def exit_code(result: Result) -> int:
    """Not 0 where there were rows, and none was scored."""
    return REFUSED if result["rows"] and not result["scored"] else 0


@click.command()
@click.argument("model")
@click.argument("source", metavar="[INPUT]", required=False)
@click.argument("output", metavar="[OUTPUT]", required=False)
@click.option("--input", "source_option", metavar="PATTERN", help="In place of INPUT.")
@click.option("--output", "output_option", metavar="PLACE", help="In place of OUTPUT.")
@options.store(", that holds the versions of NAME", required=False)
@click.option(
    "--batch-rows",
    type=click.IntRange(1, 1_000_000),
    help="Rows per call.  [default: 100,000; from 10,000 where the model takes more than 20 columns]",
)
@options.method
@click.option("--month", metavar="YYYY-MM|last", help="Fills {year} and {month} in INPUT, OUTPUT and --id.")
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Carry over these columns.  [default: all that the model does not take]",
)
@click.option(
    "--id", "ids", metavar="NAME=PATTERN", help="Add a column of ids, in which {row} is the row's place in its file."
)
@click.option(
    "--processes", type=click.IntRange(1, 256), help="Score so many parts at once.  [default: one for each processor]"
)
@click.option(
    "--runner",
    type=click.Choice(["DirectRunner", "PrismRunner", "FlinkRunner", "DataflowRunner"]),
    help="Let Apache Beam score the parts.",
)
@click.option("--project", envvar="GOOGLE_CLOUD_PROJECT", show_envvar=True, help="For the DataflowRunner.")
@click.option("--region", help="For the DataflowRunner.")
@click.option("--temp-location", metavar="gs://...", help="For the DataflowRunner.")
@click.option("--container-image", metavar="IMAGE", help="The image of the workers, which has this package and Beam.")
@click.option(
    "--beam", multiple=True, metavar="NAME=VALUE", help="Another option of Beam, for example flink_master=H:8081."
)
@click.option("--max-errors", type=click.IntRange(0), help="Stop, and write nothing, when more rows than this fail.")
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it exists.")
@click.option(
    "--unknown-categories",
    type=click.Choice(["accept", "reject"]),
    envvar="UNKNOWN_CATEGORIES",
    show_envvar=True,
    default="accept",
    help="Whether a category that the model has never seen is counted only, or an error of its row.",
)
@options.trust
@prints_result(format_counts, exit_code, extras=("publish",))
def score(
    source: str | None, output: str | None, source_option: str | None, output_option: str | None, keep: Sequence[str],
    beam: Sequence[str], **given: Any
) -> Any:  # fmt: skip
    """Score the rows of files or tables into Parquet files or a table.

    INPUT is a .parquet, .csv, .json or .jsonl file, a pattern of many, as gs://B/in/*.parquet, or a table, as bq://P.DATASET.TABLE.
    OUTPUT is a .parquet file, a directory or a prefix, which ends with /, or a table. MODEL is NAME[@ALIAS|/VERSION] of the store
    (NAME alone: its champion), or any MODEL_URI. OUTPUT has one row for each row of INPUT, in its order; a row that cannot be
    scored has its reasons in the column `error`. When no row at all can be scored the exit status is 1.
    """
    from modelserve_control.batch.score import ScoreOptions
    from modelserve_control.batch.score import score as run

    # One word besides MODEL is INPUT, as long as it has no option of its own.
    words = [word for word in (source, output) if word is not None]
    source = source_option or (words.pop(0) if words else None)
    output = output_option or (words.pop(0) if words else None)
    if source is None or output is None or words:
        raise click.UsageError("Name INPUT and OUTPUT once each, as words or as --input and --output.")
    return run(ScoreOptions(source=source, output=output, keep=keep or None, beam=beam, **given), progress())
