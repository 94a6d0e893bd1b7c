"""The records of releases and retrainings, which stand beside each other in the store."""

from itertools import islice
from typing import Any, Final

from modelserve.core.errors import ArtifactCorrupt
from modelserve.store.buckets.objects import Objects
from modelserve_control.registry import documents

RETRAIN: Final = "-retrain-"  # in the id; that of a release has its version there
MAX_RECORDS: Final = 50
HEAD: Final = ("when", "what", "version", "alias", "outcome", "why")


def read_records(objects: Objects, name: str) -> list[dict[str, Any]]:
    """The newest first. What is not a record is left out."""
    found: dict[str, dict[str, Any]] = {}
    names = sorted((info.name for info in objects.list(f"releases/models/{name}/")), reverse=True)
    for one in islice(names, MAX_RECORDS):
        try:
            document = documents.read(objects, one)
        except ArtifactCorrupt:
            continue
        if document and isinstance(document[0].get("id"), str):
            found[document[0]["id"]] = document[0]
    return [found[id] for id in sorted(found, reverse=True)]


def is_retraining(record: dict[str, Any]) -> bool:
    return RETRAIN in record["id"]


def record_row(record: dict[str, Any]) -> tuple[str, ...]:
    what = "retraining" if is_retraining(record) else "release"
    outcome = record.get("outcome") or "under way"
    return (
        str(record.get("started_at") or "-"),
        what,
        find_version(record),
        str(record.get("alias") or "-"),
        outcome,
        str(record.get("why") or "-"),
    )


def find_version(record: dict[str, Any]) -> str:
    """That of a retraining is known once a step has published it."""
    return next((str(one["version"]) for one in (record, *record.get("steps", [])) if one.get("version")), "-")
