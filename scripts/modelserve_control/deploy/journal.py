"""A journal: one document in the store that records the steps of an operation, so that another process can resume it."""

from typing import Any, TypedDict, cast

from modelserve.core.errors import PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import provenance
from modelserve_control.registry.documents import Document, encode


class Step(TypedDict):
    step: str


class Journal:
    """Each write requires that nobody else has written since: of two processes only one continues."""

    def __init__(self, objects: Objects, name: str, document: Document, generation: int = 0) -> None:
        """`document` is the object `name` at this generation. Generation 0 creates it."""
        self._objects = objects
        self._generation = generation
        self.name = name
        self.document = document
        if not generation:
            self.write(document)

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def outcome(self) -> str | None:
        return cast(str | None, self.document["outcome"])

    def step(self, name: str) -> dict[str, Any] | None:
        return next((entry for entry in self.document["steps"] if entry["step"] == name), None)

    def add(self, step: str, **evidence: Any) -> None:
        self.write(self._with_step(step, evidence))

    def update(self, **fields: Any) -> None:
        self.write({**self.document, **fields})

    def end(self, outcome: str, why: str, step: str | None = None, **evidence: Any) -> None:
        """Records the outcome, and the last step in the same write."""
        document = self._with_step(step, evidence) if step else self.document
        self.write({**document, "outcome": outcome, "why": why, "ended_at": provenance.now()})

    def check(self) -> None:
        info = self._objects.stat(self.name)
        if info is None or info.generation != self._generation:
            raise self.taken_over_error()

    def delete(self) -> None:
        self._objects.delete(self.name, self._generation)

    def write(self, document: Document) -> None:
        try:
            self._generation = self._objects.write(self.name, encode(document), self._generation).generation
        except PreconditionFailed as error:
            raise self.taken_over_error() from error
        self.document = document

    def taken_over_error(self) -> PreconditionFailed:
        return PreconditionFailed(f"Another process continues {self.name}; this one stops.")

    def _with_step(self, step: str, evidence: dict[str, Any]) -> Document:
        entry = {"step": step, "at": provenance.now(), "by": provenance.author(), **evidence}
        return {**self.document, "steps": [*self.document["steps"], entry]}


def new_document(id: str, **fields: Any) -> Document:
    started = {"started_by": provenance.author(), "started_at": provenance.now()}
    return {"id": id, **fields, **started, "steps": [], "outcome": None, "why": None}
