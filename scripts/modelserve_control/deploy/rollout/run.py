import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache, partial
from typing import Any

from modelserve.core.errors import BadSetting, PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import provenance
from modelserve_control.common.errors import RolledBack
from modelserve_control.common.progress import Progress
from modelserve_control.common.services.identity import Identity, required_service_account, token_source
from modelserve_control.deploy.rollout import journal as journals
from modelserve_control.deploy.rollout.checks import Checker, check_permission
from modelserve_control.deploy.rollout.cloud.monitoring import Monitoring
from modelserve_control.deploy.rollout.cloud.service import Clients, Service
from modelserve_control.deploy.rollout.cloud.traffic import describe
from modelserve_control.deploy.rollout.errors import NotDeployed, NothingToPin
from modelserve_control.deploy.rollout.journal import RolloutJournal
from modelserve_control.deploy.rollout.options import RolloutOptions
from modelserve_control.deploy.rollout.steps import ABORTED, PROMOTED, Rollout

Services = dict[str, Service]
MakeRollout = Callable[[RolloutJournal], Rollout]


def start(objects: Objects, options: RolloutOptions, progress: Progress) -> dict[str, Any]:
    """Raises NoIdentity, RolloutUnderWay, NothingToPin, NotDeployed, RolledBack, TakenOver, CloudFailed."""
    with connect(options, progress) as (services, checker, make):
        for name in services:
            journals.check_free(objects, name)
        found = {name: service.read() for name, service in services.items()}
        pinned = {}
        for name, now in found.items():
            if list(now.split.values()) != [100] or not all(now.split):
                raise NothingToPin(
                    f"The traffic of {name} goes {describe(now.split)}: give one revision all of it first, "
                    "with gcloud run services update-traffic."
                )
            pinned[name] = {
                "name": services[name].name,
                "function": options.function(name),
                "pinned": next(iter(now.split)),
                "newest": now.latest_created,
                "candidate": None,
            }
        if options.code and not options.deploy:
            check_deployed(services, pinned, options.code)
            if all(one["pinned"] == one["newest"] for one in pinned.values()):
                return served_already(pinned)
        for now in found.values():
            checker.identity(now.url).headers()
        check_permission(checker.monitoring, {name: service.name for name, service in services.items()})
        journal = journals.create(objects, options, pinned)
        try:
            journals.lock(objects, journal, options.services)
        except PreconditionFailed:
            journals.unlock(objects, journal, options.services)
            journal.delete()
            raise
        return finish(objects, journal, make)


def check_deployed(services: Services, known: Mapping[str, Any], code: str) -> None:
    for name, service in services.items():
        newest = known[name]["newest"]
        if not (found := service.read_code(newest)).is_from(code):
            raise NotDeployed(f"The newest revision {newest} has {found} instead of {code}: deploy that first.")


def resume(objects: Objects, options: RolloutOptions, progress: Progress) -> dict[str, Any]:
    """Continues with the first step that is not in the journal. Raises NoRollout, and the errors of `start`."""
    with connect(options, progress) as (_, checker, make):
        journal = find_rollout(objects, options)
        if journal.outcome is None:
            check_permission(checker.monitoring, {name: options.full_name(name) for name in options.services})
            journal.add("resumed")
            journals.lock(objects, journal, options.services)
        return finish(objects, journal, make)


def abort(objects: Objects, options: RolloutOptions, progress: Progress) -> dict[str, Any]:
    with connect(options, progress) as (_, _, make):
        journal = find_rollout(objects, options)
        if journal.outcome is None:
            journal.add("aborting", reason=options.reason)
            why = f"It was aborted by {provenance.author()}{': ' + options.reason if options.reason else ''}."
            rollout = make(journal)
            error = rollout.resume_roll_back() or rollout.roll_back(ABORTED, why)
            journals.unlock(objects, journal, options.services)
            if not isinstance(error, RolledBack):
                raise error
        journals.unlock(objects, journal, options.services)
        return result(journal)


def finish(objects: Objects, journal: RolloutJournal, make: MakeRollout) -> dict[str, Any]:
    try:
        if journal.outcome is None:
            make(journal).run()
    finally:
        if journal.outcome is not None:
            journals.unlock(objects, journal, journal.document["services"])
    if journal.outcome != PROMOTED:
        raise RolledBack(f"It has already ended, {journal.outcome}: {journal.document['why']}")
    return result(journal)


def find_rollout(objects: Objects, options: RolloutOptions) -> RolloutJournal:
    journal = journals.find_rollout(objects, options.services)
    known = {name: one["name"] for name, one in journal.document["services"].items()}
    if known != {name: options.full_name(name) for name in options.services}:
        raise BadSetting(f"The rollout {journal.id} is of {' and '.join(known.values())}: name exactly these.")
    return journal


@contextmanager
def connect(options: RolloutOptions, progress: Progress) -> Iterator[tuple[Services, Checker, MakeRollout]]:
    """SIGTERM rolls back as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with closing(Clients()) as clients, closing(Monitoring()) as monitoring:
            services = {name: Service(clients, options.full_name(name)) for name in options.services}
            source = token_source(options.token_command, required_service_account)
            checker = Checker(options, monitoring, cache(partial(Identity, source)))
            yield services, checker, lambda journal: Rollout(options, journal, services, checker, progress)
    finally:
        signal.signal(signal.SIGTERM, before)


def served_already(known: Mapping[str, Any]) -> dict[str, Any]:
    services = {name: {"serves": one["pinned"], "before": one["pinned"]} for name, one in known.items()}
    return {"id": None, "outcome": "served already", "why": "", "record": None, "services": services}


def result(journal: RolloutJournal) -> dict[str, Any]:
    services = journal.document["services"]
    serving = "candidate" if journal.outcome == PROMOTED else "pinned"
    return {
        "id": journal.id,
        "outcome": journal.outcome,
        "why": journal.document["why"],
        "record": journal.name,
        "services": {
            name: {"serves": one[serving] or one["pinned"], "before": one["pinned"]} for name, one in services.items()
        },
    }
