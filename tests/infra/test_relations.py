"""Each relation holds, and each mutation of relations/mutations.toml breaks the one that it is listed under."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import pytest

from infra.relations.policies import ALL, Policy
from infra.relations.sources import Sources

POLICIES: Final = {policy.__name__: policy for policy in ALL}
MUTATIONS: Final = [
    (name, one)
    for name, found in tomllib.loads((Path(__file__).with_name("relations") / "mutations.toml").read_text()).items()
    for one in found
]
SOURCES: Final = Sources.read()


@pytest.mark.parametrize("policy", ALL, ids=POLICIES)
def test_a_relation_holds(policy: Policy) -> None:
    assert list(policy(SOURCES)) == []


@pytest.mark.parametrize(("name", "mutation"), MUTATIONS, ids=[f"{name}-{one['old'][:40]}" for name, one in MUTATIONS])
def test_a_mutation_breaks_its_relation(name: str, mutation: dict[str, str]) -> None:
    mutated = SOURCES.mutate(mutation["old"], mutation["new"], mutation.get("in", ""))
    assert list(POLICIES[name](mutated)) != []


def test_every_relation_has_mutations_and_there_are_enough() -> None:
    assert {name for name, _ in MUTATIONS} == set(POLICIES)
    assert len(MUTATIONS) >= 60
