from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import click

from modelserve.core.errors import ServeError
from modelserve_control.common import options
from modelserve_control.common.errors import NoProfile, NothingScored
from modelserve_control.common.output import prints_result, table
from modelserve_control.common.progress import progress
from modelserve_control.registry import catalog
from modelserve_control.report.sections import make_printable
from modelserve_control.report.tables import percent

DRIFTED = 3
MAX_NEW: Final = 3  # categories that a line names
HINTS: Final[Mapping[type[ServeError], str]] = {
    NoProfile: "Or compare with another version: --against VERSION.",
    NothingScored: "With --no-score they are compared without predictions.",
}


@click.command()
@click.argument("name")
@click.option(
    "--data",
    required=True,
    multiple=True,
    metavar="FILES",
    help=f"Rows of now: {options.ENDINGS} files, a pattern, a directory, a bq:// table, or the prediction log.",
)
@options.store()
@click.option("--against", default="champion", help="The version, or the alias, whose profile they are compared with.")
@click.option("--window", type=click.Choice(["hour", "day", "week", "month"]), help="Compare each of these by itself.")
@click.option("--time", metavar="COLUMN", help="The column that --window cuts by; the log has its own.")
@click.option("--score/--no-score", default=True, help="Score rows that come without predictions.")
@options.trust
@options.number("--alpha", 0.0, 0.5, 0.01, "The share of false alarms in windows that have not changed.")
@options.number("--min-distance", 0.0, 1.0, 0.05, "The least distance of two distributions that is a drift.")
@options.number("--min-psi", 0.0, None, 0.05, "The least population stability index that is a drift.")
@options.number("--min-share", 0.0, 1.0, 0.01, "The least change of the share of missing, infinite or new values.")
@options.reports
@prints_result(
    lambda result: format_drift(result),
    status=lambda result: DRIFTED if result["drift"] else 0,
    extras=("publish", "monitor"),
)
def drift(
    alpha: float,
    min_distance: float,
    min_psi: float,
    min_share: float,
    store: str,
    markdown: str | None,
    html: str | None,
    overwrite: bool,
    **given: Any,
) -> Any:
    """Compare rows of now with those of training.

    Columns and predictions are compared with the profile of a version of NAME, which `publish --data` keeps. The exit status is 3 when there is a drift.
    """
    from modelserve_control.monitor import sections
    from modelserve_control.monitor.drift import DriftOptions, measure_drift
    from modelserve_control.monitor.reports import create_reports
    from modelserve_control.monitor.stats.shift import Limits

    limits = Limits(alpha, min_distance, min_psi, min_share)
    with (
        catalog.open_store(store) as objects,
        create_reports(markdown, html, overwrite, progress()) as write_reports,
        add_hint(),
    ):
        found = measure_drift(objects, DriftOptions(limits=limits, store=store, **given), progress())
        write_reports(sections.drift_title(found), sections.drift_sections(found))
        return found


@contextmanager
def add_hint() -> Iterator[None]:
    """Only here: other commands that measure drift do not have these options."""
    try:
        yield
    except (NoProfile, NothingScored) as error:
        raise type(error)(f"{error.message} {HINTS[type(error)]}") from error


def format_drift(result: Any) -> str:
    lines = [f"{result['name']} version {result['version']}"]
    for window in result["windows"]:
        found = ", ".join(
            f"{name} ({', '.join(column['reasons'])}{name_new(column)})"
            for part in ("columns", "predictions")
            for name, column in window[part].items()
            if column["drift"]
        )
        line = f"{window['window']}: {window['rows']:,} rows, {f'drift in {found}' if found else 'no drift'}"
        if unknown := window["unknown_categories"]:
            line += f"; {percent(unknown)} of the rows hold a category that the model has never seen"
        lines.append(line)
    return "\n".join(lines)


def name_new(column: Any) -> str:
    names = [make_printable(name) for name in column.get("new", {})] if "new" in column["reasons"] else []
    more = ", ..." if len(names) > MAX_NEW else ""
    return f": {', '.join(names[:MAX_NEW])}{more}" if names else ""


@click.command()
@click.argument("name")
@click.option(
    "--log", required=True, multiple=True, metavar="FILES", help="The prediction log, or files that score has written."
)
@click.option(
    "--labels", required=True, multiple=True, metavar="FILES", help=f"The truth: {options.ENDINGS} files, or bq://."
)
@click.option("--key", required=True, metavar="COLUMN", help="The column of the labels with the prediction's id.")
@click.option("--target", required=True, metavar="COLUMN", help="The column of the labels with the truth.")
@options.store()
@click.option("--window", type=click.Choice(["hour", "day", "week", "month"]), default="day", help="The parts of time.")
@options.reports
@prints_result(lambda result: format_evaluation(result), extras=("publish", "monitor"))
def evaluate(store: str, markdown: str | None, html: str | None, overwrite: bool, **given: Any) -> Any:
    """Measure logged predictions against labels.

    The figures are those of all predictions of NAME that have a label, and of each window and version.
    """
    from modelserve_control.monitor import sections
    from modelserve_control.monitor.evaluate import EvaluateOptions
    from modelserve_control.monitor.evaluate import evaluate as run
    from modelserve_control.monitor.reports import create_reports

    with (
        catalog.open_store(store) as objects,
        create_reports(markdown, html, overwrite, progress()) as write_reports,
    ):
        found = run(objects, EvaluateOptions(**given), progress())
        write_reports(sections.quality_title(found), sections.quality_sections(found))
        return found


def format_evaluation(result: Any) -> str:
    names = list(result["all"]["figures"])
    rows = [{"window": "all", "version": ""} | result["all"], *result["parts"]]
    cells = [
        (one["window"], one["version"], f"{one['rows']:,}", *(format_figure(one, name) for name in names))
        for one in rows
    ]
    counts = (
        f"{result['joined']:,} of {result['predictions']:,} predictions have a label; {result['repeated']:,} labels are "
        f"repeated, {result['unknown']:,} belong to no prediction"
    )
    return "\n".join([counts, *table([("window", "version", "rows", *names), *cells])])


def format_figure(one: Any, name: str) -> str:
    value, interval = one["figures"].get(name), one["intervals"].get(name)
    if value is None:
        return "-"
    return f"{value:.4g} [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else f"{value:.4g}"
