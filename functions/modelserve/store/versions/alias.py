"""The only thing in a store that moves: a small object that names a version."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, BadSetting, PreconditionFailed
from modelserve.store.buckets.objects import NotModified, Objects
from modelserve.store.names.locations import alias_name, check_version
from modelserve.store.versions import documents

LIMIT = 64 * 1024  # bytes; a document is about 500


@dataclass(frozen=True)
class Alias:
    """`updated_at` is RFC 3339 in UTC; the previous version is what a rollback goes back to, None at first."""

    version: str
    manifest_sha256: str
    previous_version: str | None = None
    previous_manifest_sha256: str | None = None
    updated_by: str = ""
    updated_at: str = ""
    reason: str = ""

    def to_bytes(self) -> bytes:
        return (json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Alias:
        """Keys of later tools are ignored. Raises `ArtifactCorrupt`."""
        try:
            raw = documents.parse(data)
            values = {field.name: raw[field.name] for field in fields(cls) if field.name in raw}
            alias = cls(**values)
            _check(alias)
        except documents.Unreadable as error:
            raise _no_alias(f"it {error}") from error
        except (ValueError, TypeError, BadSetting) as error:
            raise _no_alias("a field is missing or is not what it must be") from error
        return alias


def _no_alias(reason: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(f"The alias is not a document of this kit ({reason}); promote a version to write it anew.")


def _check(alias: Alias) -> None:
    check_version(_text(alias.version))
    _digest(alias.manifest_sha256)
    if alias.previous_version is not None:
        check_version(_text(alias.previous_version))
        _digest(alias.previous_manifest_sha256)
    for text in (alias.updated_by, alias.updated_at, alias.reason):
        _text(text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def _digest(value: Any) -> None:
    if len(_text(value)) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError("a SHA-256 in lower-case hex")


def read_alias(objects: Objects, name: str, alias: str) -> tuple[Alias, int] | None:
    """The document and its generation, or None where there is no such alias."""
    try:
        found = objects.read(alias_name(name, alias), LIMIT)
    except ArtifactMissing:
        return None
    if isinstance(found, NotModified):  # only an answer to a condition, and there was none
        raise ArtifactCorrupt("The store answered a question that was not asked.")
    data, info = found
    return _named(info.name, data), info.generation


def poll_alias(objects: Objects, name: str, alias: str, generation: int | None) -> tuple[Alias, int] | None:
    """What the alias says now with its new generation, or None while it still has `generation`; one request.

    Raises `ArtifactMissing` when the alias was deleted.
    """
    found = objects.read(alias_name(name, alias), LIMIT, if_generation_not_match=generation)
    if isinstance(found, NotModified):
        return None
    data, info = found
    return _named(info.name, data), info.generation


def _named(place: str, data: bytes) -> Alias:
    try:
        return Alias.from_bytes(data)
    except ArtifactCorrupt as error:
        raise ArtifactCorrupt(f"{place}: {error.message}") from error


def write_alias(objects: Objects, name: str, alias: str, doc: Alias, if_generation_match: int) -> int:
    """The new generation. `if_generation_match` is what `read_alias` gave, 0 for a new alias.

    Raises `PreconditionFailed`, which names the winner.
    """
    try:
        return objects.write(alias_name(name, alias), doc.to_bytes(), if_generation_match).generation
    except PreconditionFailed as error:
        raise PreconditionFailed(_lost(objects, name, alias)) from error


def _lost(objects: Objects, name: str, alias: str) -> str:
    winner = read_alias(objects, name, alias)
    if winner is None:
        return f"The alias {alias} of {name} was deleted meanwhile; look at it again before you promote."
    now = winner[0]
    who, when = now.updated_by or "someone", now.updated_at or "a moment ago"
    return f"The alias {alias} of {name} was moved to version {now.version} by {who} at {when}; look at it again first."
