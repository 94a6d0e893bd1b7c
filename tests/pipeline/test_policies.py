"""The policies hold for every file, and each is broken by its own changes and by no other."""

from __future__ import annotations

import pytest

from pipeline.definitions import DECIDED, FILES, Definition, triggers
from pipeline.mutations import CHANGES, Change
from pipeline.policies import ALL, Policy


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("policy", ALL, ids=lambda policy: policy.__name__)
def test_a_policy_holds(policy: Policy, path: str) -> None:
    assert list(policy(Definition.read(path))) == []


def test_every_policy_has_a_change() -> None:
    assert sorted(CHANGES) == sorted(policy.__name__ for policy in ALL)


@pytest.mark.parametrize(("name", "change"), [(name, one) for name in CHANGES for one in CHANGES[name]])
def test_a_policy_is_broken_by_its_change_and_by_no_other(name: str, change: Change) -> None:
    file = change.made()
    assert {policy.__name__ for policy in ALL if list(policy(file))} == {name}


def test_every_trigger_has_its_file_and_everything_it_says_is_used() -> None:
    assert sorted(triggers()) == sorted(FILES)
    said = set().union(*(one.sends for one in triggers().values()))
    assert set().union(*(Definition.read(path).declared_names for path in FILES)) == said | DECIDED
