"""The policies hold for every environment with and without a component, and each is broken by its change alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from infra.terraform import Change
from kubernetes.mutations import POLICIES
from kubernetes.policies import ALL
from kubernetes.rendering import COMPONENTS, ENVIRONMENTS, Object, Policy, changed, rendered

NAMES = [policy.__name__ for policy in ALL]


@cache
def whole(environment: str, component: str) -> list[Object]:
    return rendered(environment, component)


def broken(source: Path, component: str = "") -> set[str]:
    objects = rendered("prod", component, source)
    return {policy.__name__ for policy in ALL if list(policy(objects))}


@pytest.mark.parametrize("policy", ALL, ids=NAMES)
@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_policy_holds(environment: str, component: str, policy: Policy) -> None:
    assert list(policy(whole(environment, component))) == []


def test_every_policy_has_a_mutation() -> None:
    assert sorted(POLICIES) == sorted(NAMES)


@pytest.mark.parametrize("policy", NAMES)
def test_a_policy_is_broken_by_its_change_and_by_no_other(policy: str, tmp_path: Path) -> None:
    assert broken(changed(tmp_path, POLICIES[policy])) == {policy}


def test_a_second_autoscaler_is_noticed(tmp_path: Path) -> None:
    change = Change("components/keda/kustomization.yaml", "name: worker}\n    patch", "name: nobody}\n    patch")
    assert broken(changed(tmp_path, change), "keda") == {"one_autoscaler_decides"}


def test_a_worker_that_would_never_come_back_is_noticed(tmp_path: Path) -> None:
    change = Change("components/scale-to-zero/kustomization.yaml", "path: /spec/metrics", "path: /spec/behavior")
    assert broken(changed(tmp_path, change), "scale-to-zero") == {"one_autoscaler_decides"}
