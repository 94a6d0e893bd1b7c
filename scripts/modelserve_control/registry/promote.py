"""Move an alias with one compare-and-swap write. The error of a lost race names the winner."""

from typing import Any

from modelserve.core.errors import ArtifactCorrupt, NotFound, PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import alias_name, manifest_name
from modelserve.store.versions.alias import Alias, read_alias, write_alias
from modelserve_control.common import provenance
from modelserve_control.registry import catalog


def promote(objects: Objects, name: str, version: str, alias: str, reason: str = "") -> dict[str, Any]:
    """The alias after the move. Promoting the current version changes nothing, so a retry is safe.

    Raises NotFound for a missing version, and PreconditionFailed for a lost race.
    """
    digest = catalog.manifest(objects, name, version).digest
    now, generation = read_current(objects, name, alias)
    if now and (now.version, now.manifest_sha256) == (version, digest):
        return describe_alias(name, alias, now, changed=False)
    moved = next_alias(now, version, digest, reason)
    return move(objects, name, alias, moved, generation)


def read_current(objects: Objects, name: str, alias: str) -> tuple[Alias | None, int]:
    """The alias and its generation. The content of a damaged document is lost, because a promotion replaces it."""
    info = objects.stat(alias_name(name, alias))
    try:
        found = read_alias(objects, name, alias)
    except ArtifactCorrupt:
        return None, info.generation if info else 0
    return found or (None, 0)


def rollback(objects: Objects, name: str, alias: str, reason: str = "") -> dict[str, Any]:
    now, generation = catalog.alias(objects, name, alias)
    if now.previous_version is None or now.previous_manifest_sha256 is None:
        raise NotFound(
            f"The alias {alias} of {name} has always named version {now.version}; it has no previous version."
        )
    target, digest = now.previous_version, now.previous_manifest_sha256
    if catalog.manifest(objects, name, target).digest != digest:
        raise PreconditionFailed(
            f"Version {target} of {name} is not the one that {alias} named before; promote instead."
        )
    why = reason or f"roll back from version {now.version}"
    return move(objects, name, alias, next_alias(now, target, digest, why), generation)


def next_alias(now: Alias | None, version: str, digest: str, reason: str) -> Alias:
    return Alias(
        version=version,
        manifest_sha256=digest,
        previous_version=now.version if now else None,
        previous_manifest_sha256=now.manifest_sha256 if now else None,
        updated_by=provenance.author(),
        updated_at=provenance.now(),
        reason=reason,
    )


def move(objects: Objects, name: str, alias: str, moved: Alias, generation: int) -> dict[str, Any]:
    written = write_alias(objects, name, alias, moved, generation)
    if objects.stat(manifest_name(name, moved.version)) is None:
        undo(objects, name, alias, moved, written)
        raise PreconditionFailed(
            f"Version {moved.version} of {name} was deleted meanwhile; the alias {alias} was not moved."
        )
    return describe_alias(name, alias, moved, changed=True)


def undo(objects: Objects, name: str, alias: str, moved: Alias, generation: int) -> None:
    if moved.previous_version is None or moved.previous_manifest_sha256 is None:
        objects.delete(f"models/{name}/aliases/{alias}.json", generation)
        return
    back = Alias(
        moved.previous_version,
        moved.previous_manifest_sha256,
        updated_by=moved.updated_by,
        updated_at=provenance.now(),
        reason=f"version {moved.version} was deleted while it was promoted",
    )
    write_alias(objects, name, alias, back, generation)


def describe_alias(name: str, alias: str, now: Alias, changed: bool) -> dict[str, Any]:
    result = {"name": name, "alias": alias, "version": now.version, "previous_version": now.previous_version}
    written = {"updated_by": now.updated_by, "updated_at": now.updated_at, "reason": now.reason}
    return result | {"changed": changed} | written
