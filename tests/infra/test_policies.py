"""The policies hold for production with everything switched on, and each is broken by a change of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.conftest import NEWEST
from infra.mutations import MORE, POLICIES
from infra.policies import ALL
from infra.resources import Policy, Resource
from infra.terraform import EVERYTHING, MADE_UP, Change, Report, Workspace

NAMES = [policy.__name__ for policy in ALL]


def resources(report: Report) -> list[Resource]:
    assert report.failed() == set(), report.findings
    assert len(report.states["and_one_apply"]) > 100
    return report.states["and_one_apply"]


def apply(provider: dict[str, str], directory: Path, *changes: Change) -> list[Resource]:
    return resources(Workspace.make(directory, provider, MADE_UP, *changes).test(*EVERYTHING))


@pytest.fixture(scope="module")
def production(everything: Report) -> list[Resource]:
    return resources(everything)


@pytest.mark.parametrize("policy", ALL, ids=NAMES)
def test_a_policy_holds(production: list[Resource], policy: Policy) -> None:
    assert list(policy(production)) == []


def test_every_policy_has_a_mutation() -> None:
    assert sorted(POLICIES) == sorted(NAMES)


@pytest.mark.parametrize("bit", range(len(ALL).bit_length()))
def test_a_policy_is_broken_by_its_change_and_by_no_other(
    bit: int, lenient: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """The policies are numbered from 1, and the changes of those with this bit in their number are made together.

    Exactly those must be broken. No two numbers have the same bits, so over all bits a policy that answered to the
    change of another would be found out, in five applies instead of one for each.
    """
    chosen = {name for number, name in enumerate(NAMES, 1) if number >> bit & 1}
    broken = apply(lenient[NEWEST], tmp_path, *(POLICIES[name] for name in sorted(chosen)))
    assert {policy.__name__ for policy in ALL if list(policy(broken))} == chosen


@pytest.mark.parametrize("row", MORE, ids=" ".join)
def test_a_policy_is_broken_by_more_than_one_change(
    row: dict[str, Change], lenient: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    broken = apply(lenient[NEWEST], tmp_path, *row.values())
    assert {policy.__name__ for policy in ALL if list(policy(broken))} == row.keys()
