"""What a rollout leaves in the store: one record of everything it did, and a lock for each of its services.

Whoever holds a rollout knows the generation of its record. Resuming or aborting it writes the record, so a process that
was only thought dead finds another generation there, and stops before it touches the traffic again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict

from modelserve.core.errors import PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import provenance
from modelserve_control.deploy.rollout.errors import NoRollout, RolloutUnderWay, TakenOver
from modelserve_control.deploy.rollout.order import Order
from modelserve_control.registry.documents import Document, encode, read


class Step(TypedDict):
    step: str


class OneService(TypedDict):
    name: str
    pinned: str
    newest: NotRequired[str | None]
    candidate: NotRequired[str | None]


class Shape(TypedDict):
    """What a rollout that goes on relies on."""

    id: str
    started_by: str
    started_at: str
    deploy: list[str]
    shares: list[int]
    services: dict[str, OneService]
    steps: list[Step]
    outcome: str | None
    why: str | None


class Lock(TypedDict):
    id: str


class Record:
    """`document` is what was last written; `generation` is that of the object."""

    def __init__(self, objects: Objects, document: Document, generation: int) -> None:
        self._objects = objects
        self.document = document
        self._generation = generation

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def name(self) -> str:
        return record_name(self.id)

    @property
    def outcome(self) -> str | None:
        """None while it is under way."""
        outcome: str | None = self.document["outcome"]
        return outcome

    def service(self, service: str) -> dict[str, Any]:
        """Its full `name`, the revision that is `pinned`, the `newest` before, and the `candidate` once it is known."""
        found: dict[str, Any] = self.document["services"][service]
        return found

    def found(self, service: str, candidate: str | None) -> None:
        """Written with the next step."""
        self.service(service)["candidate"] = candidate

    def entry(self, step: str) -> dict[str, Any] | None:
        """What is noted of a step, once it is done."""
        return next((entry for entry in self.document["steps"] if entry["step"] == step), None)

    def add(self, step: str, evidence: Mapping[str, Any], **changes: Any) -> None:
        """Notes a step that is done; `changes` are keys of the document. Raises TakenOver."""
        entry = {"step": step, "at": provenance.now(), "by": provenance.who(), **evidence}
        self._write({**self.document, **changes, "steps": [*self.document["steps"], entry]})

    def end(self, step: str, outcome: str, why: str, evidence: Mapping[str, Any]) -> None:
        self.add(step, evidence, outcome=outcome, why=why, ended_at=provenance.now())

    def check(self) -> None:
        """Raises TakenOver when somebody else has written it."""
        found = self._objects.stat(self.name)
        if found is None or found.generation != self._generation:
            raise self._taken()

    def delete(self) -> None:
        self._objects.delete(self.name, self._generation)

    def _write(self, document: Document) -> None:
        try:
            self._generation = self._objects.write(self.name, encode(document), self._generation).generation
        except PreconditionFailed as error:
            raise self._taken() from error
        self.document = document

    def _taken(self) -> TakenOver:
        found = read(self._objects, self.name, Shape)
        last = found[0]["steps"][-1] if found and found[0]["steps"] else {}
        who, when = last.get("by", "someone"), last.get("at", "a moment ago")
        return TakenOver(f"The rollout {self.id} was taken over by {who} at {when}; this process has stopped.")


def create(objects: Objects, order: Order, services: Mapping[str, Mapping[str, Any]]) -> Record:
    made = datetime.now(UTC)
    document: Document = {
        "id": f"{made:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        "started_by": provenance.who(),
        "started_at": provenance.now(),
        "reason": order.reason,
        "commit": provenance.commit(),
        "deploy": list(order.deploy),
        "shares": list(order.shares),
        "model": order.model,
        "model_version": order.model_version,
        "services": dict(services),
        "steps": [],
        "outcome": None,
        "why": None,
    }
    info = objects.write(record_name(document["id"]), encode(document), if_generation_match=0)
    return Record(objects, document, info.generation)


def held(objects: Objects, services: Iterable[str]) -> Record:
    """The rollout that holds any of these services. Raises NoRollout."""
    names = list(services)
    for service in names:
        if lock := read(objects, lock_name(service), Lock):
            if found := read(objects, record_name(lock[0]["id"]), Shape):
                return Record(objects, *found)
            objects.delete(lock_name(service), lock[1])
    raise NoRollout(f"No rollout of {' or '.join(names)} is under way.")


def lock(objects: Objects, record: Record, service: str) -> None:
    """Raises RolloutUnderWay, naming who has it."""
    content = {"id": record.id, "by": record.document["started_by"], "at": record.document["started_at"]}
    generation = free(objects, service, record.id)
    try:
        objects.write(lock_name(service), encode(content), generation)
    except PreconditionFailed as error:
        winner = read(objects, lock_name(service), Lock)
        raise under_way(service, winner[0] if winner else {}) from error


def free(objects: Objects, service: str, id: str | None = None) -> int:
    """The generation of its lock: 0 without one, else that of a rollout that has ended, or of the one with this id.

    Raises RolloutUnderWay.
    """
    found = read(objects, lock_name(service), Lock)
    if found is None:
        return 0
    holder, generation = found
    if holder["id"] != id:
        other = read(objects, record_name(holder["id"]), Shape)
        if other is not None and other[0]["outcome"] is None:
            raise under_way(service, holder)
    return generation


def unlock(objects: Objects, record: Record, services: Iterable[str]) -> None:
    for service in services:
        found = read(objects, lock_name(service), Lock)
        if found and found[0]["id"] == record.id:
            objects.delete(lock_name(service), found[1])


def under_way(service: str, found: Mapping[str, Any]) -> RolloutUnderWay:
    who, when = found.get("by", "someone"), found.get("at", "a moment ago")
    return RolloutUnderWay(
        f"{who} has been rolling out {service} since {when}: wait for the end, or use --resume or --abort if that process is dead."
    )


def record_name(id: str) -> str:
    return f"releases/{id}.json"


def lock_name(service: str) -> str:
    return f"releases/{service}/current.json"
