"""The journal of a rollout, one object in the store, and a lock for each of its services, which names it.

Resuming or aborting a rollout writes its journal. A process that was only believed dead then finds another generation, and
stops before it touches the traffic again.
"""

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict, cast

from modelserve.core.errors import PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import provenance
from modelserve_control.deploy.journal import Journal, Step, new_document
from modelserve_control.deploy.rollout.errors import NoRollout, RolloutUnderWay, TakenOver
from modelserve_control.deploy.rollout.options import RolloutOptions
from modelserve_control.registry.documents import encode, read


class Service(TypedDict):
    """Its full name, the revision that served before, the newest one before, and the new one once it is known."""

    name: str
    pinned: str
    newest: NotRequired[str | None]
    candidate: NotRequired[str | None]


class Document(TypedDict):
    id: str
    started_by: str
    started_at: str
    deploy: list[str]
    shares: list[int]
    services: dict[str, Service]
    steps: list[Step]
    outcome: str | None
    why: str | None


class Lock(TypedDict):
    id: str


class RolloutJournal(Journal):
    def service(self, name: str) -> dict[str, Any]:
        """Changes are written with the next step."""
        return cast(dict[str, Any], self.document["services"][name])

    def taken_over_error(self) -> TakenOver:
        found = read(self._objects, self.name, Document)
        last = found[0]["steps"][-1] if found and found[0]["steps"] else {}
        who, when = last.get("by", "someone"), last.get("at", "a moment ago")
        return TakenOver(f"The rollout {self.id} was taken over by {who} at {when}; this process has stopped.")


def create(objects: Objects, options: RolloutOptions, services: Mapping[str, Mapping[str, Any]]) -> RolloutJournal:
    document = new_document(
        f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        reason=options.reason,
        commit=provenance.commit(),
        deploy=list(options.deploy),
        shares=list(options.shares),
        serves={service: "/".join(filter(None, expected)) for service, expected in options.expected.items()},
        services=dict(services),
    )
    return RolloutJournal(objects, object_name(document["id"]), document)


def find(objects: Objects, id: str) -> RolloutJournal | None:
    found = read(objects, object_name(id), Document)
    return RolloutJournal(objects, object_name(id), *found) if found else None


def object_name(id: str) -> str:
    return f"releases/{id}.json"


def lock(objects: Objects, journal: RolloutJournal, services: Iterable[str]) -> None:
    holder = {"id": journal.id, "by": journal.document["started_by"], "at": journal.document["started_at"]}
    for service in services:
        generation = check_free(objects, service, journal.id)
        try:
            objects.write(lock_name(service), encode(holder), generation)
        except PreconditionFailed as error:
            winner = read(objects, lock_name(service), Lock)
            raise under_way_error(service, winner[0] if winner else {}) from error


def unlock(objects: Objects, journal: RolloutJournal, services: Iterable[str]) -> None:
    for service in services:
        found = read(objects, lock_name(service), Lock)
        if found and found[0]["id"] == journal.id:
            objects.delete(lock_name(service), found[1])


def check_free(objects: Objects, service: str, id: str | None = None) -> int:
    """The generation of the lock to replace; 0 where there is none. A lock of a rollout that has ended, or of rollout `id`,
    may be replaced. Raises RolloutUnderWay."""
    found = read(objects, lock_name(service), Lock)
    if found is None:
        return 0
    holder, generation = found
    if holder["id"] != id:
        other = find(objects, holder["id"])
        if other is not None and other.outcome is None:
            raise under_way_error(service, holder)
    return generation


def find_rollout(objects: Objects, services: Iterable[str]) -> RolloutJournal:
    """The rollout that holds one of these services. A lock without its journal is removed. Raises NoRollout."""
    names = list(services)
    for service in names:
        if found := read(objects, lock_name(service), Lock):
            if journal := find(objects, found[0]["id"]):
                return journal
            objects.delete(lock_name(service), found[1])
    raise NoRollout(f"No rollout of {' or '.join(names)} is under way.")


def under_way_error(service: str, holder: Mapping[str, Any]) -> RolloutUnderWay:
    who, when = holder.get("by", "someone"), holder.get("at", "a moment ago")
    return RolloutUnderWay(
        f"{who} has been rolling out {service} since {when}: wait for the end, or use --resume or --abort if that process is dead."
    )


def lock_name(service: str) -> str:
    return f"releases/{service}/current.json"
