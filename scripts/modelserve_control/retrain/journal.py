"""The record of a retraining. `releases/models/NAME/retrain.json` is the newest, and a lock while it has no outcome; one that
has ended is also kept under its id, beside the records of the releases."""

import secrets
from datetime import UTC, datetime
from typing import Any, TypedDict

from modelserve.core.errors import NotFound, PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import provenance
from modelserve_control.common.errors import RetrainingUnderWay
from modelserve_control.deploy.journal import Journal, Step, new_document
from modelserve_control.deploy.release.journal import object_name
from modelserve_control.registry.documents import encode, read


class Document(TypedDict):
    id: str
    started_by: str
    started_at: str
    steps: list[Step]
    outcome: str | None


class RetrainJournal(Journal):
    def taken_over_error(self) -> PreconditionFailed:
        return PreconditionFailed(f"The retraining {self.id} was aborted by another process; this one stops.")

    def end(self, outcome: str, why: str, step: str | None = None, **evidence: Any) -> None:
        super().end(outcome, why, step, **evidence)
        self._objects.write(object_name(self.document["name"], self.id), encode(self.document), 0)


def begin(objects: Objects, name: str, generation: int, **fields: Any) -> RetrainJournal | None:
    """`generation` is that of the newest record when it was decided; None where another has ended since. Raises
    RetrainingUnderWay."""
    check_free(objects, name)
    id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-retrain-{secrets.token_hex(2)}"
    document = new_document(id, name=name, **fields)
    try:
        journal = RetrainJournal(objects, current_name(name), document, generation)
        if generation:
            journal.write(document)
    except PreconditionFailed:
        check_free(objects, name)  # names who was faster
        return None
    return journal


def abort(objects: Objects, name: str) -> RetrainJournal:
    """The process that was believed dead stops at its next step. Raises NotFound."""
    found = read(objects, current_name(name), Document)
    if found is None or found[0]["outcome"] is not None:
        raise NotFound(f"No retraining of {name} is under way.")
    journal = RetrainJournal(objects, current_name(name), *found)
    journal.end("aborted", f"aborted by {provenance.author()}")
    return journal


def check_free(objects: Objects, name: str) -> None:
    """Raises RetrainingUnderWay."""
    document = read_current(objects, name)
    if document is not None and document["outcome"] is None:
        raise RetrainingUnderWay(
            f"{document['started_by']} has been retraining {name} since {document['started_at']}: wait for the end, or use "
            "--abort if that process is dead."
        )


def read_generation(objects: Objects, name: str) -> int:
    """Of the newest record; 0 where there is none."""
    found = read(objects, current_name(name), Document)
    return found[1] if found else 0


def read_current(objects: Objects, name: str) -> dict[str, Any] | None:
    found = read(objects, current_name(name), Document)
    return found and found[0]


def current_name(name: str) -> str:
    return object_name(name, "retrain")
