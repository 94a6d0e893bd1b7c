"""Move an alias with one compare-and-swap write. The error of a lost race names the winner."""

from typing import Any

from modelserve.core.errors import ArtifactCorrupt, NotFound, PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import alias_name, manifest_name
from modelserve.store.versions.alias import Alias, AliasMove, read_alias, write_alias
from modelserve_control.common import provenance
from modelserve_control.registry import catalog, history


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


def rollback(objects: Objects, name: str, alias: str, reason: str = "", to: str | None = None) -> dict[str, Any]:
    """The alias after its move to the version before, or to the earlier version `to`. A second rollback goes further
    back, never forward. Raises NotFound if there is no such version."""
    now, generation = catalog.alias(objects, name, alias)
    target = rollback_target(name, alias, now, to)
    if catalog.manifest(objects, name, target.version).digest != target.manifest_sha256:
        raise PreconditionFailed(
            f"Version {target.version} of {name} is not the one that {alias} named before; promote instead."
        )
    return move(objects, name, alias, earlier_alias(now, target, reason), generation)


def rollback_target(name: str, alias: str, now: Alias, to: str | None) -> AliasMove:
    before = history.promotions(now)[:-1]
    if to is None:
        if not before:
            raise NotFound(f"The alias {alias} of {name} names version {now.version}, and no version before it.")
        return before[-1]
    for promotion in reversed(before):
        if promotion.version == to:
            return promotion
    named = ", ".join(dict.fromkeys(one.version for one in before)) or "none"
    raise NotFound(
        f"The alias {alias} of {name} has not named version {to} before version {now.version}; it has named {named}. "
        f"promote moves it to any version."
    )


def next_alias(now: Alias | None, version: str, digest: str, reason: str) -> Alias:
    return Alias(
        version=version,
        manifest_sha256=digest,
        previous_version=now.version if now else None,
        previous_manifest_sha256=now.manifest_sha256 if now else None,
        updated_by=provenance.author(),
        updated_at=provenance.now(),
        reason=reason,
        history=history.moves(now) if now else (),
    )


def earlier_alias(now: Alias, target: AliasMove, reason: str) -> Alias:
    """The alias after a rollback to `target`, which is one of its promotions."""
    return Alias(
        version=target.version,
        manifest_sha256=target.manifest_sha256,
        previous_version=target.previous_version,
        previous_manifest_sha256=target.previous_manifest_sha256,
        updated_by=provenance.author(),
        updated_at=provenance.now(),
        reason=reason or f"roll back from version {now.version}",
        rollback=True,
        history=history.moves(now),
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
    reason = f"version {moved.version} was deleted while it was promoted"
    back = earlier_alias(moved, history.promotions(moved)[-2], reason)
    write_alias(objects, name, alias, back, generation)


def describe_alias(name: str, alias: str, now: Alias, changed: bool) -> dict[str, Any]:
    before = now.history[-1].version if changed and now.history else None
    result: dict[str, Any] = {"name": name, "alias": alias, "version": now.version, "moved_from": before}
    result |= {"previous_version": now.previous_version, "changed": changed}
    return result | {"updated_by": now.updated_by, "updated_at": now.updated_at, "reason": now.reason}
