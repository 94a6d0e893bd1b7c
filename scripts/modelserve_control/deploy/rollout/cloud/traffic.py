"""Who gets the traffic of a service, as Cloud Run says it: a list of targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Split = Mapping[str, int]


@dataclass(frozen=True)
class Target:
    """`revision` None is whatever revision is the latest ready one. A `tag` gives it an address of its own."""

    revision: str | None
    percent: int = 0
    tag: str = ""


@dataclass(frozen=True)
class Tag:
    name: str
    revision: str


def split(targets: Iterable[Target], latest: str) -> dict[str, int]:
    """Percent by revision, of those that get any. No targets at all is everything to the latest."""
    shares: dict[str, int] = {}
    for target in list(targets) or [Target(None, 100)]:
        if target.percent:
            revision = target.revision or latest
            shares[revision] = shares.get(revision, 0) + target.percent
    return shares


def wanted(shares: Split, tag: Tag | None, now: Iterable[Target], ours: str) -> list[Target]:
    """Targets for `shares` by name, with `tag` or without it; tags of others stay where they point. `ours` is our tag."""
    kept = [Target(target.revision, 0, target.tag) for target in now if target.tag and target.tag != ours]
    shares = {revision: percent for revision, percent in shares.items() if percent}
    made = [
        Target(revision, percent, tag.name if tag and tag.revision == revision else "")
        for revision, percent in shares.items()
    ]
    if tag and tag.revision not in shares:
        made.append(Target(tag.revision, 0, tag.name))
    return made + kept


def stands(shares: Split, tag: Tag | None, now: Iterable[Target], ours: str) -> bool:
    """Whether it is so already, however the targets are written."""
    targets = list(now)
    by_name = bool(targets) and all(target.revision for target in targets if target.percent)
    tagged = {target.revision for target in targets if target.tag == ours}
    return by_name and split(targets, "") == dict(shares) and tagged == ({tag.revision} if tag else set())


def told(shares: Split) -> str:
    """For a person."""
    return " and ".join(f"{percent} % to {revision}" for revision, percent in shares.items()) or "to no revision"
