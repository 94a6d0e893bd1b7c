"""An alias: a small object that names a version, and the only object of a store that changes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import msgspec

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, BadSetting, PreconditionFailed
from modelserve.store.buckets.objects import Objects, read_object
from modelserve.store.names.locations import alias_name, check_version
from modelserve.store.versions import documents
from modelserve.store.versions.manifest import Digest

MAX_BYTES = 64 * 1024  # bytes; a move is about 400
MAX_MOVES = 100


@dataclass(frozen=True)
class AliasMove:
    """`updated_at` is RFC 3339 in UTC. A rollback returns to the previous version, which is None at first."""

    version: str
    manifest_sha256: Digest
    previous_version: str | None = None
    previous_manifest_sha256: str | None = None
    updated_by: str = ""
    updated_at: str = ""
    reason: str = ""
    rollback: bool = False


@dataclass(frozen=True)
class Alias(AliasMove):
    """`history` has the moves before this one, the oldest first; with this one they are at most `MAX_MOVES`."""

    history: tuple[AliasMove, ...] = ()

    def to_bytes(self) -> bytes:
        """The oldest moves are left out where long reasons would make the document larger than `MAX_BYTES`."""
        kept = self.history[-(MAX_MOVES - 1) :]
        while len(data := _dump(replace(self, history=kept))) > MAX_BYTES and kept:
            kept = kept[1:]
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Alias:
        """Unknown keys are ignored. Raises `ArtifactCorrupt`."""
        try:
            raw = documents.parse(data)
            alias = msgspec.convert(raw, cls)
            check_version(alias.version)
            if alias.previous_version is not None:
                check_version(alias.previous_version)
                msgspec.convert(alias.previous_manifest_sha256, Digest)
        except (ValueError, BadSetting) as error:
            unreadable = isinstance(error, documents.Unreadable)
            reason = f"it {error}" if unreadable else "a field is missing or has a wrong value"
            raise ArtifactCorrupt(
                f"The alias is not a document of this kit ({reason}); promote a version to replace it."
            ) from error
        return alias


def _dump(alias: Alias) -> bytes:
    return (json.dumps(asdict(alias), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_alias(objects: Objects, name: str, alias: str) -> tuple[Alias, int] | None:
    try:
        data, info = read_object(objects, alias_name(name, alias), MAX_BYTES)
    except ArtifactMissing:
        return None
    return _parse(info.name, data), info.generation


def poll_alias(objects: Objects, name: str, alias: str, generation: int | None) -> tuple[Alias, int] | None:
    """The document and its generation, or None if it still has `generation`. Takes one request. `models/active.py`
    calls it every MODEL_REFRESH_SECONDS. Raises `ArtifactMissing`."""
    found = objects.read(alias_name(name, alias), MAX_BYTES, if_generation_not_match=generation)
    if found is None:
        return None
    data, info = found
    return _parse(info.name, data), info.generation


def _parse(place: str, data: bytes) -> Alias:
    try:
        return Alias.from_bytes(data)
    except ArtifactCorrupt as error:
        raise ArtifactCorrupt(f"{place}: {error.message}") from error


def write_alias(objects: Objects, name: str, alias: str, doc: Alias, if_generation_match: int) -> int:
    """The new generation. `if_generation_match` is that of `read_alias`, or 0 for a new alias. Raises
    `PreconditionFailed`, which says who was first."""
    try:
        return objects.write(alias_name(name, alias), doc.to_bytes(), if_generation_match).generation
    except PreconditionFailed as error:
        winner = read_alias(objects, name, alias)
        if winner is None:
            reason = "deleted meanwhile; check it before you promote again"
        else:
            who, when = winner[0].updated_by or "someone", winner[0].updated_at or "a moment ago"
            reason = f"moved to version {winner[0].version} by {who} at {when}; check it before you try again"
        raise PreconditionFailed(f"The alias {alias} of {name} was {reason}.") from error
