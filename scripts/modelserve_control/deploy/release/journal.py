"""The journal of a release: one object in the store, from which the same command resumes."""

import secrets
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict

from modelserve.core.errors import PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.deploy.journal import Journal, Step, new_document
from modelserve_control.registry.documents import read


class Before(TypedDict):
    version: str | None
    generation: int


class Shadowing(TypedDict):
    began_at: str
    heard: dict[str, Any]


class Document(TypedDict):
    id: str
    name: str
    version: str
    alias: str
    started_at: str
    steps: list[Step]
    outcome: str | None
    before: NotRequired[Before]
    shadow: NotRequired[Shadowing]


class ReleaseJournal(Journal):
    @property
    def reason(self) -> str:
        return f"release {self.id}"

    def taken_over_error(self) -> PreconditionFailed:
        return PreconditionFailed(f"Another process continues release {self.id}; this one stops.")


def create(objects: Objects, name: str, version: str, **fields: Any) -> ReleaseJournal:
    id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{version}-{secrets.token_hex(2)}"
    return ReleaseJournal(objects, object_name(name, id), new_document(id, name=name, version=version, **fields))


def find_unfinished(objects: Objects, name: str, version: str, alias: str) -> ReleaseJournal | None:
    prefix = f"releases/models/{name}/"
    ids = [info.name.removeprefix(prefix).removesuffix(".json") for info in objects.list(prefix)]
    for id in reversed([id for id in ids if id.split("-")[1:2] == [version]]):
        found = read(objects, object_name(name, id), Document)
        if found and found[0]["alias"] == alias:
            journal = ReleaseJournal(objects, object_name(name, id), *found)
            return journal if journal.outcome is None else None
    return None


def object_name(name: str, id: str) -> str:
    return f"releases/models/{name}/{id}.json"
