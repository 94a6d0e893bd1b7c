"""The moves of an alias, which its document keeps."""

from dataclasses import fields
from typing import Any

from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.alias import Alias, AliasMove
from modelserve_control.registry import catalog


def history(objects: Objects, name: str, alias: str) -> dict[str, Any]:
    """The newest move is last."""
    now, _ = catalog.alias(objects, name, alias)
    return {"name": name, "alias": alias, "version": now.version, "moves": [vars(move) for move in moves(now)]}


def moves(now: Alias) -> tuple[AliasMove, ...]:
    last = AliasMove(**{field.name: getattr(now, field.name) for field in fields(AliasMove)})
    return (*now.history, last)


def promotions(now: Alias) -> list[AliasMove]:
    """The promotions that no rollback has undone, the newest last: the current version, and those before it."""
    standing: list[AliasMove] = []
    for move in moves(now):
        if not standing and move.previous_version and move.previous_manifest_sha256:  # an older move is not recorded
            standing.append(AliasMove(move.previous_version, move.previous_manifest_sha256))
        if move.rollback:
            while standing and not is_same_version(standing[-1], move):
                standing.pop()
        if not move.rollback or not standing:
            standing.append(move)
    return standing


def is_same_version(one: AliasMove, other: AliasMove) -> bool:
    return (one.version, one.manifest_sha256) == (other.version, other.manifest_sha256)
