"""`scripts/bench`: the page goes to stdout, progress to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from benchmarks import chart, cost, forms, machine, report, tables
from benchmarks.activation import FLIPS
from benchmarks.events import EVENTS
from benchmarks.figures import Run
from benchmarks.model import RECIPES
from benchmarks.plan import Plan, run
from benchmarks.servers import chosen
from modelserve.core.errors import ServeError

SECONDS, ROUNDS = 5.0, 3
file = click.Path(dir_okay=False, path_type=Path)


def known_forms(_context: click.Context, _option: click.Parameter, value: str | None) -> Sequence[str]:
    """`all`, or names of wire forms with commas, each once; empty without a value."""
    names = list(forms.FORMS) if value == "all" else list(dict.fromkeys(value.split(","))) if value else []
    unknown = sorted(set(names) - forms.FORMS.keys())
    if unknown:
        raise click.BadParameter(f"no such form: {', '.join(unknown)}; there are {', '.join(forms.FORMS)}.")
    return names


def known(_context: click.Context, _option: click.Parameter, value: str) -> Sequence[str]:
    """`all`, or names of models with commas, each once."""
    names = list(RECIPES) if value == "all" else list(dict.fromkeys(value.split(",")))
    unknown = sorted(set(names) - set(RECIPES))
    if unknown:
        raise click.BadParameter(f"no such model: {', '.join(unknown)}; there are {', '.join(RECIPES)}.")
    return names


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--peers",
    default="none",
    show_default=True,
    help="all, none, or names with commas; each gets an environment of its own.",
)
@click.option(
    "--peers-for", default="churn", show_default=True, callback=known, help="The models that peers are measured with."
)
@click.option(
    "--model",
    "--models",
    "models",
    default="churn",
    show_default=True,
    callback=known,
    help=f"all, or names with commas: {', '.join(RECIPES)}.",
)
@click.option(
    "--forms",
    "chosen_forms",
    is_flag=False,
    flag_value="all",
    callback=known_forms,
    help=f"Only compare wire forms with hello world: all, or names with commas: {', '.join(forms.FORMS)}.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.05, 600),
    help=f"For each figure of each round.  [default: 5; with --forms {forms.SECONDS:g}]",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 20),
    help=f"How often every server is measured; the median counts.  [default: 3; with --forms {forms.ROUNDS}]",
)
@click.option(
    "--flips", type=click.IntRange(0, 100), default=FLIPS, show_default=True, help="Activations under load, 2 s apart."
)
@click.option(
    "--events", type=click.IntRange(0, 100_000), default=EVENTS, show_default=True, help="Through the event function."
)
@click.option("--json", "raw", type=file, help="Write the figures of every round.")
@click.option(
    "--out", type=file, help="Write the page, for example docs/benchmarks.md, and its chart as .svg beside it."
)
def main(
    peers: str, peers_for: Sequence[str], models: Sequence[str], chosen_forms: Sequence[str], seconds: float | None,
    rounds: int | None, flips: int, events: int, raw: Path | None, out: Path | None,
) -> None:  # fmt: skip
    """Measure our runtimes side by side with what they are compared to."""
    if chosen_forms:
        compare_forms(chosen_forms, seconds or forms.SECONDS, rounds or forms.ROUNDS, raw)
        return
    seconds, rounds = seconds or SECONDS, rounds or ROUNDS
    try:
        found = run(Plan(chosen(peers), models, peers_for, seconds, rounds, flips, events))
    except (ServeError, ValueError) as error:
        sys.exit(f"bench: {error}")
    described = machine.describe()
    if raw:
        raw.write_text(json.dumps(found.as_json() | {"machine": described}, indent=2) + "\n")
    picture = draw(found, out) if out else ""
    page = report.document(found, described, seconds, rounds, cost.read(), picture)
    if out:
        out.write_text(page)
    click.echo(page)
    sys.exit(0 if found.complete else 1)


def compare_forms(names: Sequence[str], seconds: float, rounds: int, raw: Path | None) -> None:
    try:
        found = forms.run(names, seconds, rounds)
    except ServeError as error:
        sys.exit(f"bench: {error}")
    if raw:
        values = {"forms": [asdict(one) for one in found], "machine": machine.describe()}
        raw.write_text(json.dumps(values, indent=2) + "\n")
    click.echo(tables.forms_table(found))


def draw(found: Run, out: Path) -> str:
    """The chart beside the page, and its address there; nothing when nothing was measured."""
    picture = chart.svg(found.models)
    if not picture:
        return ""
    beside = out.with_suffix(".svg")
    beside.write_text(picture)
    return beside.name


if __name__ == "__main__":
    main()
