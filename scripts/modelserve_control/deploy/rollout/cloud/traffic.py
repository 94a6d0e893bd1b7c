"""The traffic of a Cloud Run service: a list of targets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Split = Mapping[str, int]


@dataclass(frozen=True)
class Target:
    """`revision` None is the latest ready revision. A `tag` gives it an address of its own."""

    revision: str | None
    percent: int = 0
    tag: str = ""


@dataclass(frozen=True)
class Tag:
    name: str
    revision: str


def split(targets: Iterable[Target], latest: str) -> dict[str, int]:
    """Percent by revision. No targets at all means 100 % to the latest."""
    shares: dict[str, int] = {}
    for target in list(targets) or [Target(None, 100)]:
        if target.percent:
            revision = target.revision or latest
            shares[revision] = shares.get(revision, 0) + target.percent
    return shares


def build_targets(shares: Split, tag: Tag | None, now: Iterable[Target], ours: str) -> list[Target]:
    """Targets for `shares` by revision name, with `tag` if given. Tags other than `ours` are kept."""
    kept = [Target(target.revision, 0, target.tag) for target in now if target.tag and target.tag != ours]
    shares = {revision: percent for revision, percent in shares.items() if percent}
    targets = [
        Target(revision, percent, tag.name if tag and tag.revision == revision else "")
        for revision, percent in shares.items()
    ]
    if tag and tag.revision not in shares:
        targets.append(Target(tag.revision, 0, tag.name))
    return targets + kept


def is_applied(shares: Split, tag: Tag | None, now: Iterable[Target], ours: str) -> bool:
    """Whether the targets already give these shares by name, and `ours` is exactly `tag`."""
    targets = list(now)
    by_name = bool(targets) and all(target.revision for target in targets if target.percent)
    tagged = {target.revision for target in targets if target.tag == ours}
    return by_name and split(targets, "") == dict(shares) and tagged == ({tag.revision} if tag else set())


def describe(shares: Split) -> str:
    return " and ".join(f"{percent} % to {revision}" for revision, percent in shares.items()) or "to no revision"
