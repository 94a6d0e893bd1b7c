"""What a release leaves in the store: one object that tells every step, and from which the same command goes on."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict

from modelserve.core.errors import PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import provenance
from modelserve_control.registry.documents import Document, encode, read


class Step(TypedDict):
    step: str


class Before(TypedDict):
    version: str | None
    generation: int


class Shadowing(TypedDict):
    began_at: str
    heard: dict[str, Any]


class Shape(TypedDict):
    """What a release that goes on relies on."""

    id: str
    name: str
    version: str
    alias: str
    started_at: str
    steps: list[Step]
    outcome: str | None
    before: NotRequired[Before]
    shadow: NotRequired[Shadowing]


class Record:
    """`document` is what was last written. Every write is conditional on it, so of two processes one goes on."""

    def __init__(self, objects: Objects, document: Document, generation: int) -> None:
        self._objects = objects
        self._generation = generation
        self.document = document

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def mark(self) -> str:
        """What every alias that this release moved gives as its reason."""
        return f"release {self.id}"

    def done(self, step: str) -> Mapping[str, Any] | None:
        """What was noted when it ended well."""
        return next((entry for entry in self.document["steps"] if entry["step"] == step), None)

    def add(self, step: str, **evidence: Any) -> None:
        entry = {"step": step, "at": provenance.now(), "by": provenance.who(), **evidence}
        self._write({**self.document, "steps": [*self.document["steps"], entry]})

    def note(self, **known: Any) -> None:
        """What is known of a step that goes on."""
        self._write({**self.document, **known})

    def end(self, outcome: str, why: str) -> None:
        self._write({**self.document, "outcome": outcome, "why": why, "ended_at": provenance.now()})

    def _write(self, document: Document) -> None:
        try:
            info = self._objects.write(object_name(document), encode(document), self._generation)
        except PreconditionFailed as error:
            raise PreconditionFailed(f"Another process goes on with the release {self.id}; this one stops.") from error
        self._generation, self.document = info.generation, document


def create(objects: Objects, name: str, version: str, **known: Any) -> Record:
    made = datetime.now(UTC)
    document: Document = {
        "id": f"{made:%Y%m%dT%H%M%SZ}-{version}-{secrets.token_hex(2)}",
        "name": name,
        "version": version,
        **known,
        "started_by": provenance.who(),
        "started_at": provenance.now(),
        "steps": [],
        "outcome": None,
        "why": None,
    }
    info = objects.write(object_name(document), encode(document), if_generation_match=0)
    return Record(objects, document, info.generation)


def unfinished(objects: Objects, name: str, version: str, alias: str) -> Record | None:
    """The last release of this version to this alias, if it was stopped on its way."""
    prefix = f"releases/models/{name}/"
    ids = [info.name.removeprefix(prefix).removesuffix(".json") for info in objects.list(prefix)]
    for id in reversed([id for id in ids if id.split("-")[1:2] == [version]]):
        found = read(objects, f"{prefix}{id}.json", Shape)
        if found and found[0]["alias"] == alias:
            return Record(objects, *found) if found[0]["outcome"] is None else None
    return None


def object_name(document: Document) -> str:
    return f"releases/models/{document['name']}/{document['id']}.json"
