from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from modelserve_control.common import options
from modelserve_control.common.output import prints_result, table
from modelserve_control.common.progress import progress
from modelserve_control.registry import catalog
from modelserve_control.report.tables import format_value


@click.command()
@click.argument("name")
@click.option("--policy", type=options.FILE, required=True, help="When and how to train (YAML): docs/retraining.md.")
@options.store(required=False)
@options.alias
@click.option("--dry-run", is_flag=True, help="Only decide.")
@click.option("--now", is_flag=True, help="Train without asking the schedule, the error and the drift.")
@click.option("--abort", is_flag=True, help="End the record of a retraining whose process is dead.")
@click.option("--simulate", is_flag=True, help="Replay the data of error: never, by schedule, by error and drift.")
@click.option("--newest", type=click.IntRange(0), default=0, help="Windows that a simulated training takes; 0 is all.")
@click.option("--svg", metavar="FILE", help="Write the plot of the simulation.")
@options.reports
@options.trust
@prints_result(lambda result: format_result(result), extras=("publish", "monitor", "cloud"))
def retrain(dry_run: bool, now: bool, abort: bool, simulate: bool, **given: Any) -> Any:
    """Train NAME again when its policy says so.

    The policy decides by a schedule, by the error on new labels and by drift. What is better is released. The exit
    status is 0 when nothing is to be done or the alias names the new version, and 1 when the training failed or the
    version was refused.
    """
    if dry_run + now + abort + simulate > 1:
        raise click.UsageError("--dry-run, --now, --abort and --simulate exclude each other.")
    if simulate:
        return run_simulation(**given)
    if named := [f"--{name}" for name in ("newest", "svg", "markdown", "html", "overwrite") if given[name]]:
        raise click.UsageError(f"{named[0]} is an option of --simulate.")
    from modelserve_control.retrain.journal import abort as run_abort
    from modelserve_control.retrain.run import RetrainOptions
    from modelserve_control.retrain.run import retrain as run

    store = given["store"]
    if store is None:
        raise click.UsageError("Name the store with --store, or MODELSERVE_STORE.")
    with catalog.open_store(store) as objects:
        if abort:
            return run_abort(objects, given["name"]).document
        names = ("name", "store", "policy", "alias", "trust")
        return run(
            objects, RetrainOptions(dry_run=dry_run, now=now, **{name: given[name] for name in names}), progress()
        )


def run_simulation(
    name: str, policy: Path, newest: int, trust: str, svg: str | None, markdown: str | None, html: str | None,
    overwrite: bool, **_: Any,
) -> Any:  # fmt: skip
    from modelserve_control.batch.files import table_files
    from modelserve_control.monitor.reports import create_reports
    from modelserve_control.report import charts
    from modelserve_control.retrain import sections
    from modelserve_control.retrain.policy import read_policy
    from modelserve_control.retrain.simulate import simulate

    plot = table_files.create(svg, overwrite, progress()) if svg else nullcontext()
    with plot as file, create_reports(markdown, html, overwrite, progress()) as write_reports:
        found = simulate(name, read_policy(policy), newest, trust, progress())
        write_reports(sections.title(found), sections.build_sections(found))
        if file is not None:
            file.write_text(charts.standalone(sections.chart(found)))
    return found


def format_result(result: Any) -> str:
    if "policies" in result:
        return format_simulation(result)
    if "retrain" not in result:
        return f"The retraining {result['id']} of {result['name']} is ended: {result['why']}."
    verdict = "yes" if result["retrain"] else "no"
    lines = [f"Train {result['name']} again: {verdict}"]
    lines += [f"  {'+' if one['met'] else '-'} {one['rule']}: {one['text']}" for one in result["reasons"]]
    if result["version"]:
        lines.append(
            f"{result['name']}@{result['alias']} now names version {result['version']}; the record is {result['record']}"
        )
    return "\n".join(lines)


def format_simulation(result: Any) -> str:
    head = ("policy", "trainings", f"mean {result['figure']}", "worst", "trained after")
    rows = [
        (
            name,
            str(len(one["trainings"])),
            format_value(one["mean"]),
            format_value(one["worst"]),
            ", ".join(training["after"] for training in one["trainings"]) or "-",
        )
        for name, one in result["policies"].items()
    ]
    return "\n".join(table([head, *rows]))
