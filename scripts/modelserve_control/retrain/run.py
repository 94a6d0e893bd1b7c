"""`modelserve retrain`: observe, decide, and on a yes train, publish and release."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from modelserve.core.errors import ServeError
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import check_alias, check_model_name
from modelserve_control.batch.files import table_files
from modelserve_control.common.processes import checkout
from modelserve_control.common.progress import Progress
from modelserve_control.deploy.release.options import ReleaseOptions
from modelserve_control.deploy.release.run import release
from modelserve_control.publish.presentation import build_presentation
from modelserve_control.publish.publish import PublishOptions, publish
from modelserve_control.retrain import journal as journals
from modelserve_control.retrain.decide import decide
from modelserve_control.retrain.journal import RetrainJournal
from modelserve_control.retrain.observe import Observer
from modelserve_control.retrain.policy import Policy, read_policy
from modelserve_control.retrain.train import train


@dataclass(frozen=True)
class RetrainOptions:
    name: str
    store: str
    policy: Path
    alias: str = "champion"
    dry_run: bool = False
    trust: str = "strict"


def retrain(objects: Objects, options: RetrainOptions, progress: Progress) -> dict[str, Any]:
    """`retrain` and its `reasons`; of a training also its `record` and the `version` that the alias names now.

    Raises TrainingFailed, RetrainingUnderWay, and the errors of publish and release; they are in the record too.
    """
    check_model_name(options.name)
    check_alias(options.alias)
    policy = read_policy(options.policy)
    observer = Observer(objects, options.name, options.alias, options.store, options.trust, progress)
    decision = decide(observer.history(policy), policy)
    result: dict[str, Any] = {"name": options.name, "alias": options.alias, **asdict(decision)}
    result |= {"dry_run": options.dry_run, "record": None, "version": None}
    if not decision.retrain or options.dry_run:
        return result
    checkout()  # the release will need it: better said before the training than after it
    for reason in decision.reasons:
        progress.say(f"{reason.rule}: {reason.text}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the record, as Ctrl-C does
    journal = journals.begin(
        objects, options.name, alias=options.alias, reasons=result["reasons"], policy=str(options.policy)
    )
    with end_on_error(journal):
        version = train_and_publish(objects, options, policy, journal, progress)
        released = release(objects, release_options(options, policy, version, journal), progress)
        journal.end("released", released["why"], "release", id=released["id"])
    return result | {"record": f"releases/models/{options.name}/{journal.id}.json", "version": version}


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


def release_options(options: RetrainOptions, policy: Policy, version: str, journal: RetrainJournal) -> ReleaseOptions:
    section: dict[str, Any] = vars(policy.release) | {"thresholds": Path(policy.release.thresholds)}
    common: dict[str, Any] = {"name": options.name, "version": version, "store": options.store, "alias": options.alias}
    return ReleaseOptions(**common, **section, trust=options.trust, reason=f"retraining {journal.id}")
