"""JSON documents in the store: records and locks of long operations."""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing
from modelserve.store.buckets.objects import Objects, read_object
from modelserve.store.versions import documents

MAX_BYTES: Final = 1 << 20  # a typical record has a few thousand

Document = dict[str, Any]


def encode(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def read(objects: Objects, name: str, shape: Any = Document) -> tuple[Document, int] | None:
    """The document and its generation, or None if it does not exist. `shape` is a TypedDict of the required keys; other keys
    are not checked. Raises ArtifactCorrupt."""
    try:
        data, info = read_object(objects, name, MAX_BYTES)
    except ArtifactMissing:
        return None
    try:
        document = documents.parse(data)
        msgspec.convert(document, shape)
    except (documents.Unreadable, msgspec.ValidationError) as error:
        reason = f"it {error}" if isinstance(error, documents.Unreadable) else str(error)
        raise ArtifactCorrupt(f"{name} is not a document of this kit ({reason}); move it away.") from error
    return document, info.generation
