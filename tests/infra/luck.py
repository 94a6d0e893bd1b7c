"""What an apply had only by luck: it was there in time, and nothing in the configuration says that it had to be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.google.cloud import Key, Reliance

# How long a grant is given to take effect (row 2).
SETTLING_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a resource stands in the configuration, and all that is made before it."""

    address: str
    before: Collection[str]


def lucky(state: Mapping[str, Any], reliances: Collection[Reliance]) -> Iterator[str]:
    """A sentence for each resource that Terraform might have made before what it needs."""
    placed = dict(resources(state))
    waits = [one for (kind, _), one in placed.items() if kind == "time_sleep"]
    settled = {one.address: one.before for one in waits if one.address in long_enough(state)}
    for reliance in sorted(reliances, key=str):
        who = placed.get(reliance.who)
        on = [placed[one].address for one in reliance.on if one in placed]
        if who is None or not on:
            continue
        enough = who.before
        if reliance.settled:
            enough = {address for wait, before in settled.items() if wait in who.before for address in before}
        if not set(on) & set(enough):
            wait = "a minute after " if reliance.settled else "after "
            yield f"{who.address} is not made {wait}{' or '.join(sorted(on))}: {reliance.why}"


def resources(state: Mapping[str, Any]) -> Iterator[tuple[Key, Placed]]:
    for one, instance in instances(state):
        yield (one["type"], instance["attributes"]["id"]), Placed(address(one), instance.get("dependencies", []))


def instances(state: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    managed: Sequence[dict[str, Any]] = [one for one in state["resources"] if one["mode"] == "managed"]
    for one in managed:
        for instance in one["instances"]:
            yield one, instance


def address(one: Mapping[str, Any]) -> str:
    """As the state writes a dependency: without keys."""
    module = re.sub(r"\[[^\]]*\]", "", one.get("module", ""))
    return ".".join(part for part in (module, one["type"], one["name"]) if part)


def long_enough(state: Mapping[str, Any]) -> set[str]:
    """The waits that give a grant its time."""
    return {
        address(one)
        for one, instance in instances(state)
        if one["type"] == "time_sleep"
        and int(instance["attributes"]["create_duration"].removesuffix("s")) >= SETTLING_SECONDS
    }
