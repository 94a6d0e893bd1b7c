"""`scripts/bench`: write the page to stdout and progress to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from benchmarks import machine
from benchmarks.measure import batch, forms, waking
from benchmarks.measure.activation import FLIPS
from benchmarks.measure.events import EVENTS
from benchmarks.model import RECIPES
from benchmarks.plan import Plan, log, run, warn_if_busy
from benchmarks.report import chart, cost, page, tables
from benchmarks.report.figures import Run
from benchmarks.servers.table import select_servers
from modelserve.core.errors import ServeError

SECONDS, ROUNDS = 5.0, 3
file = click.Path(dir_okay=False, path_type=Path)


def parse_forms(_context: click.Context, _option: click.Parameter, value: str | None) -> Sequence[str]:
    """Without duplicates, in the given order."""
    names = list(forms.FORMS) if value == "all" else list(dict.fromkeys(value.split(","))) if value else []
    unknown = sorted(set(names) - forms.FORMS.keys())
    if unknown:
        raise click.BadParameter(f"unknown form: {', '.join(unknown)}; choose from {', '.join(forms.FORMS)}.")
    return names


def parse_models(_context: click.Context, _option: click.Parameter, value: str) -> Sequence[str]:
    """Without duplicates, in the given order."""
    names = list(RECIPES) if value == "all" else list(dict.fromkeys(value.split(",")))
    unknown = sorted(set(names) - set(RECIPES))
    if unknown:
        raise click.BadParameter(f"unknown model: {', '.join(unknown)}; choose from {', '.join(RECIPES)}.")
    return names


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--peers",
    default="none",
    show_default=True,
    help="all, none, or names separated by commas. Each peer gets its own environment.",
)
@click.option(
    "--peers-for", default="churn", show_default=True, callback=parse_models, help="The models that peers serve."
)
@click.option(
    "--model",
    "--models",
    "models",
    default="churn",
    show_default=True,
    callback=parse_models,
    help=f"all, or names separated by commas: {', '.join(RECIPES)}.",
)
@click.option(
    "--forms",
    "chosen_forms",
    is_flag=False,
    flag_value="all",
    callback=parse_forms,
    help=f"Only compare wire forms with hello world. all, or names separated by commas: {', '.join(forms.FORMS)}.",
)
@click.option(
    "--batch",
    "batches",
    is_flag=True,
    help="Only compare `modelserve score` with pandas chunks and mlflow.pyfunc, for --models.",
)
@click.option(
    "--batch-scale", is_flag=True, help="Only measure a batch by two processes, and the memory of 30 million rows."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.05, 600),
    help=f"Duration of each measurement in each round.  [default: {SECONDS:g}; with --forms {forms.SECONDS:g}]",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 20),
    help=f"Measure every server this many times and report the median.  [default: {ROUNDS}; with --forms {forms.ROUNDS}]",
)
@click.option(
    "--flips",
    type=click.IntRange(0, 100),
    default=FLIPS,
    show_default=True,
    help="Number of activations under load, 2 s apart.",
)
@click.option(
    "--events",
    type=click.IntRange(0, 100_000),
    default=EVENTS,
    show_default=True,
    help="Number of events for the event function and the worker.",
)
@click.option(
    "--waking",
    "cases",
    is_flag=False,
    flag_value="all",
    type=click.Choice(["all", *(case.name for case in waking.CASES)]),
    help="Only measure instances that slept, for 90 s in each case.",
)
@click.option("--json", "raw", type=file, help="Write the figures of every round to this file.")
@click.option(
    "--out",
    type=file,
    help="Write the page to this file, for example docs/benchmarks.md, and its chart next to it as .svg.",
)
def main(
    peers: str, peers_for: Sequence[str], models: Sequence[str], chosen_forms: Sequence[str], batches: bool,
    batch_scale: bool, seconds: float | None, rounds: int | None, flips: int, events: int, cases: str | None,
    raw: Path | None, out: Path | None,
) -> None:  # fmt: skip
    """Measure both runtimes of modelserve and other servers side by side."""
    if batches or batch_scale:
        compare_batches(models, batch_scale, rounds or batch.ROUNDS, raw)
        return
    if chosen_forms:
        compare_forms(chosen_forms, seconds or forms.SECONDS, rounds or forms.ROUNDS, raw)
        return
    if cases:
        warn_if_busy()
        names = [case.name for case in waking.CASES] if cases == "all" else [cases]
        click.echo(tables.waking_table(waking.run(names, seconds or waking.SECONDS)))
        return
    seconds, rounds = seconds or SECONDS, rounds or ROUNDS
    try:
        found = run(Plan(select_servers(peers), models, peers_for, seconds, rounds, flips, events))
    except (ServeError, ValueError) as error:
        sys.exit(f"bench: {error}")
    described = machine.describe()
    if raw:
        raw.write_text(json.dumps(found.as_json() | {"machine": described}, indent=2) + "\n")
    picture = write_chart(found, out) if out else ""
    text = page.document(found, described, seconds, rounds, cost.read_prices(), picture)
    if out:
        out.write_text(text)
    click.echo(text)
    sys.exit(0 if found.is_complete else 1)


def compare_forms(names: Sequence[str], seconds: float, rounds: int, raw: Path | None) -> None:
    warn_if_busy()
    try:
        found = forms.run(names, seconds, rounds)
    except ServeError as error:
        sys.exit(f"bench: {error}")
    if raw:
        values = {"forms": [asdict(one) for one in found], "machine": machine.describe()}
        raw.write_text(json.dumps(values, indent=2) + "\n")
    click.echo(tables.forms_table(found))


def compare_batches(names: Sequence[str], scale: bool, rounds: int, raw: Path | None) -> None:
    warn_if_busy()
    try:
        if scale:
            click.echo(tables.scale_table(batch.run_processes(names[0], rounds), batch.run_memory(names[0])))
            return
        found = batch.run([name for name in names if name in batch.MODELS], log, rounds)
    except ServeError as error:
        sys.exit(f"bench: {error}")
    if raw:
        raw.write_text(json.dumps({"batch": batch.as_json(found), "machine": machine.describe()}, indent=2) + "\n")
    click.echo(tables.markdown(*batch.table(found)))


def write_chart(found: Run, out: Path) -> str:
    """Write the chart next to the page and return its file name, or an empty string if there are no figures."""
    picture = chart.svg(found.models)
    if not picture:
        return ""
    path = out.with_suffix(".svg")
    path.write_text(picture)
    return path.name


if __name__ == "__main__":
    main()
