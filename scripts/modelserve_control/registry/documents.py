"""JSON documents in the store: the records and locks of what this command does over a while."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing
from modelserve.store.buckets.objects import NotModified, Objects
from modelserve.store.versions import documents

MAX_BYTES: Final = 1 << 20  # bytes; a record is a few thousand

Document = dict[str, Any]


def encode(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def read(objects: Objects, name: str, shape: Any = Document) -> tuple[Document, int] | None:
    """A document and its generation, or None where there is none. `shape` is a TypedDict of what is relied on; other keys
    are as they come. Raises ArtifactCorrupt."""
    try:
        found = objects.read(name, MAX_BYTES)
    except ArtifactMissing:
        return None
    if isinstance(found, NotModified):  # only an answer to a condition, and there was none
        raise ArtifactCorrupt("The store answered a question that was not asked.")
    try:
        document = documents.parse(found[0])
        msgspec.convert(document, shape)
    except (documents.Unreadable, msgspec.ValidationError) as error:
        reason = f"it {error}" if isinstance(error, documents.Unreadable) else str(error)
        raise ArtifactCorrupt(f"{name} is not a document of this kit ({reason}); move it away.") from error
    return document, found[1].generation
