"""`modelserve retrain`: observe, decide, and on a yes train, publish and release."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Final

from modelserve.core.errors import BadSetting, ServeError
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import check_alias, check_model_name
from modelserve_control.batch.files import patterns, table_files
from modelserve_control.common.output import terminate_as_interrupt
from modelserve_control.common.processes import checkout
from modelserve_control.common.progress import Progress
from modelserve_control.deploy.release.run import release
from modelserve_control.publish.presentation import build_presentation
from modelserve_control.publish.publish import PublishOptions, publish
from modelserve_control.retrain import journal as journals
from modelserve_control.retrain.decide import Decision, Reason, decide
from modelserve_control.retrain.journal import RetrainJournal
from modelserve_control.retrain.observe import Observer
from modelserve_control.retrain.policy import Policy, ReleaseSection, read_policy, release_options
from modelserve_control.retrain.train import train

TRAIN_NOW: Final = Decision(True, (Reason("now", True, "it was asked for with --now"),))


@dataclass(frozen=True)
class RetrainOptions:
    name: str
    store: str
    policy: Path
    alias: str = "champion"
    dry_run: bool = False
    now: bool = False
    trust: str = "strict"


def retrain(objects: Objects, options: RetrainOptions, progress: Progress) -> dict[str, Any]:
    """`retrain` and its `reasons`; of a training also its `record` and the `version` that the alias names now.

    Raises TrainingFailed, RetrainingUnderWay, and the errors of publish and release; they are in the record too.
    """
    check_model_name(options.name)
    check_alias(options.alias)
    policy = read_policy(options.policy)
    releasing = release_options(
        policy, name=options.name, version="", store=options.store, alias=options.alias, trust=options.trust
    )
    observer = Observer(objects, options.name, options.alias, options.store, options.trust, progress)
    journal = None
    while journal is None:
        generation = journals.read_generation(objects, options.name)
        decision = TRAIN_NOW if options.now else decide(observer.history(policy), policy)
        result: dict[str, Any] = {"name": options.name, "alias": options.alias, **asdict(decision)}
        result |= {"dry_run": options.dry_run, "record": None, "version": None}
        if not decision.retrain or options.dry_run:
            return result
        for reason in decision.reasons:
            progress.say(f"{reason.rule}: {reason.text}")
        # What the publication and the release need is checked before the training, not after it.
        checkout()
        check_data(policy.data, policy.release, progress)
        terminate_as_interrupt()  # ends the record, as Ctrl-C does
        # None where somebody has trained since the decision, which is then made again.
        journal = journals.begin(
            objects,
            options.name,
            generation,
            alias=options.alias,
            reasons=result["reasons"],
            policy=str(options.policy),
        )
    with end_on_error(journal):
        version = train_and_publish(objects, options, policy, journal, progress)
        releasing = replace(releasing, version=version, reason=f"retraining {journal.id}")
        released = release(objects, releasing, progress)
        journal.end("released", released["why"], "release", id=released["id"])
    return result | {"record": f"releases/models/{options.name}/{journal.id}.json", "version": version}


def check_data(data: str, section: ReleaseSection, progress: Progress) -> None:
    """Raises NotFound, and BadSetting for a column that the rows of the release do not have."""
    patterns.find_source(data)
    table_files.check_source(section.data)
    with table_files.open_part(section.data, None, progress) as file:
        names = [one.name for one in file.fields()]  # of JSON lines none are known yet
    for key, name in (("target", section.target), ("by", section.by)):
        if names and name is not None and name not in names:
            raise BadSetting(f"release.{key}: {section.data} has no column {name}; it has {', '.join(names)}.")


@contextmanager
def end_on_error(journal: RetrainJournal) -> Iterator[None]:
    try:
        yield
    except ServeError as error:
        if journal.outcome is None:
            journal.update(error_code=error.code)
            journal.end("stopped", error.message)
        raise
    except BaseException as error:
        if journal.outcome is None:
            journal.end("interrupted", type(error).__name__)
        raise


def train_and_publish(
    objects: Objects, options: RetrainOptions, policy: Policy, journal: RetrainJournal, progress: Progress
) -> str:
    """The new version."""
    section = policy.publish
    presentation = build_presentation(section.positive_class, section.threshold, section.label)
    with TemporaryDirectory(prefix="modelserve-") as scratch, table_files.fetch(policy.data, progress) as data:
        model, started = Path(scratch, "model"), monotonic()
        progress.say(f"training on {policy.data}")
        train(policy.train, data, model, Path(scratch, "log"))
        journal.add("train", data=policy.data, seconds=round(monotonic() - started, 1))
        made = publish(
            objects,
            PublishOptions(
                source=str(model),
                name=options.name,
                data=data,
                trust=options.trust,
                presentation=presentation,
                compile=section.compile,
                merge=section.merge,
            ),
            progress,
        )
    journal.update(version=made["version"])
    journal.add("publish", version=made["version"])
    return str(made["version"])
