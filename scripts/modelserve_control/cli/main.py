import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from modelserve.store.buckets.objects import Objects
from modelserve_control.batch.command import score
from modelserve_control.cli import messages
from modelserve_control.cli.examples import add_examples
from modelserve_control.common import options, processes
from modelserve_control.common.output import prints_result
from modelserve_control.common.progress import progress
from modelserve_control.compare.command import compare
from modelserve_control.console.command import console
from modelserve_control.deploy.failover.command import failover
from modelserve_control.deploy.release.command import release
from modelserve_control.deploy.rollout.command import rollout
from modelserve_control.local.local import local
from modelserve_control.local.serve import serve
from modelserve_control.monitor.command import drift, evaluate
from modelserve_control.registry import catalog, version_ref
from modelserve_control.registry import promote as promotion
from modelserve_control.registry.commands import COMMANDS as registry_commands
from modelserve_control.registry.messages import format_move
from modelserve_control.retrain.command import retrain


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True})
@click.version_option(package_name="modelserve-kit", prog_name="modelserve")
def main() -> None:
    """Publish MLflow models to a bucket, and move the alias that is served."""
    os.environ.update(processes.without_proxy(os.environ))


for command in registry_commands:
    main.add_command(command)
main.add_command(local)
main.add_command(serve)
main.add_command(console)
main.add_command(compare)
main.add_command(score)
main.add_command(failover)
main.add_command(rollout)
main.add_command(release)
main.add_command(drift)
main.add_command(evaluate)
main.add_command(retrain)


@main.command()
@click.argument("source")
@click.option("--name", required=True, help="The model's name in the store.")
@options.store()
@click.option("--alias", help="Promote the new version to this alias afterwards, for example champion.")
@click.option("--positive-class", help="The class whose probability is the answer, for example yes.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1), help="The probability from which on the answer is true.  [default: 0.5]"
)
@click.option("--label", help="The name of the answer, for example churn.")
@click.option(
    "--data",
    type=options.FILE,
    help=f"Rows to score before publishing ({options.ENDINGS}), best those of training: their profile is kept for `drift`, and a missing signature is inferred from them.",
)
@click.option("--create", is_flag=True, help="Make the directory of --store if there is none.")
@options.trust
@click.option(
    "--compile",
    type=click.Choice(["auto", "require", "never"]),
    default="auto",
    help="Add a compiled form, verified against the model; with auto a model that does not compile is published native.",
)
@click.option(
    "--merge",
    type=click.Choice(["auto", "require"]),
    default="auto",
    help="A model whose answers depend on the other rows: auto scores each request by itself, require refuses it.",
)
@click.option(
    "--env",
    type=click.Choice(["model", "kit"]),
    default="model",
    help="Where a model that was made with other packages is validated: in an environment with those, which uv builds, or here, where it is refused.",
)
@prints_result(messages.format_publish, extras=("publish",))
def publish(
    store: str, create: bool, positive_class: str | None, threshold: float | None, label: str | None, **given: Any
) -> Any:
    """Upload SOURCE as a new version.

    SOURCE is a directory, runs:/..., models:/..., gs://..., or any other address that MLflow resolves. The model must
    load and score its sample first. Publishing the same bytes twice makes two versions.
    """
    from modelserve_control.publish.presentation import build_presentation
    from modelserve_control.publish.publish import PublishOptions
    from modelserve_control.publish.publish import publish as run

    publish_options = PublishOptions(presentation=build_presentation(positive_class, threshold, label), **given)
    with catalog.open_store(store, new=create or asks_to_create(store)) as objects:
        result = run(objects, publish_options, progress())
        if result["alias"]:
            warn(objects, result["name"], result["version"])
        return result


@main.command()
@options.version
@options.store()
@options.alias
@options.reason
@prints_result(format_move)
def promote(name: str, version: str, store: str, alias: str, reason: str) -> Any:
    """Move an alias of NAME to VERSION."""
    with catalog.open_store(store) as objects:
        moved = promotion.promote(objects, name, version, alias, reason)
        warn(objects, name, version)
        return moved


def warn(objects: Objects, name: str, version: str) -> None:
    """Of what keeps functions from a version that was promoted, which else only their log says."""
    from modelserve_control.deploy.doctor import find_warnings

    for warning in find_warnings(objects, name, version):
        progress().say(f"warning: {warning}")


@main.command("import")
@click.argument("pickle", type=options.FILE)
@click.option(
    "--data",
    type=options.FILE,
    required=True,
    help=f"Rows as your program hands them to the model ({options.ENDINGS}).",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The directory for the MLflow model.")
@options.trust
@prints_result(messages.format_import, extras=("publish",))
def import_pickle(pickle: Path, data: Path, out: Path, trust: str) -> Any:
    """Make an MLflow model of PICKLE.

    PICKLE is an estimator, or a vectorizer and an estimator, as programs leave them. The model gets a signature from the rows, and takes the raw columns. It is in the form skops where that is possible, so
    that it is served without unpickling anything.
    """
    from modelserve_control.publish.pickles import import_pickle as run

    return run(pickle, data, out, trust, progress())


def asks_to_create(store: str) -> bool:
    """Whether somebody at a terminal wants a new directory for a store: the name may be a typing error."""
    missing = not store.startswith("gs://") and not Path(store).exists()
    return missing and sys.stdin.isatty() and click.confirm(f"There is no directory {store}. Make it?", err=True)


@main.command()
@click.option(
    "--runtime",
    type=click.Choice(["compiled", "native"]),
    help="compiled leaves out the packages that only native models need; native serves both.",
)
@click.option(
    "--for",
    "what",
    metavar=version_ref.METAVAR,
    help="Instead of --runtime: what this version of the store needs, and all packages that it was made with.",
)
@options.store(", that holds the versions of NAME", required=False)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The directory for the archive.")
@prints_result(lambda result: str(result["path"]))
def package(runtime: str | None, what: str | None, store: str | None, out: Path) -> Any:
    """Make the source archive of the functions.

    Cloud Functions builds the functions from it. Its name contains its digest, and the same files give the same bytes.
    """
    from modelserve_control.deploy.package import package as run
    from modelserve_control.deploy.requirements import requirements_for

    if (runtime is None) == (what is None):
        raise click.UsageError("Give either --runtime or --for.")
    if what is None:
        return run(str(runtime), out, progress())
    with catalog.open_store(require_store(store)) as objects:
        manifest = version_ref.manifest(objects, what)
    return run(manifest.runtime["kind"], out, progress(), requirements=requirements_for(manifest))


@main.command()
def worker() -> None:
    """Pull messages from a subscription and publish their predictions.

    The same as `python -m modelserve worker`. Its settings, for example SUBSCRIPTION, are environment variables:
    docs/worker.md.
    """
    from modelserve.server.worker import run_worker

    run_worker()


@main.command()
@click.argument("what", metavar=version_ref.METAVAR)
@options.store()
@click.option(
    "--of",
    "part",
    type=click.Choice(["predictions", "input"]),
    default="predictions",
    help="The prediction events, or the records that the event function takes.",
)
@click.option("--features-field", help="The EVENT_FEATURES_FIELD of the event function.")
@click.option("--id-field", help="Its EVENT_ID_FIELD.")
@click.option(
    "--id-type",
    type=click.Choice(["string", "long", "double"]),
    default="string",
    help="The type of the ids.",
)
@prints_result(partial(json.dumps, indent=2))
def schema(what: str, store: str, part: str, **fields: Any) -> Any:
    """Print an Avro schema for a Pub/Sub topic.

    The schema follows from the version's signature. NAME alone is NAME@champion.
    """
    from modelserve_control.publish.schemas.schema import EventFields
    from modelserve_control.publish.schemas.schema import schema as run

    with catalog.open_store(store) as objects:
        return run(objects, what, part, EventFields(**fields), progress())


@main.command()
@click.argument("what", metavar="MODEL")
@options.store(", that holds the versions of NAME", required=False)
@prints_result(messages.format_doctor)
def doctor(what: str, store: str | None) -> Any:
    """Check that the functions would activate a version.

    MODEL is NAME[@ALIAS|/VERSION] of the store (NAME alone: its champion), or what `publish` takes: a directory,
    models:/..., runs:/.... The functions are those that this checkout builds. A refusal names the pins to change, and the
    exit status is 1.
    """
    from modelserve_control.deploy.doctor import doctor as run
    from modelserve_control.deploy.doctor import find_source, find_version

    if not version_ref.SHORT_FORM.fullmatch(what) or Path(what).is_dir():
        return run(find_source(what))
    with catalog.open_store(require_store(store)) as objects:
        return run(find_version(objects, what))


def require_store(store: str | None) -> str:
    if store is None:
        raise click.UsageError("A version of a store needs --store.")
    return store


add_examples(main)
