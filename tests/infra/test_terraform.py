"""The configuration is formatted, valid and keeps its own tests, for the oldest and newest provider it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.conftest import NEWEST
from infra.mutations import RULES
from infra.terraform import ARCHIVE, SOURCE, Workspace

ENVIRONMENTS = ["dev", "staging", "prod"]


def test_it_is_formatted(workspace: Workspace) -> None:
    workspace.check("fmt", "-check", "-diff", "-recursive")


def test_it_is_valid(workspace: Workspace) -> None:
    workspace.check("validate")


@pytest.mark.parametrize("name", RULES)
def test_it_keeps_its_own_rules(workspace: Workspace, name: str) -> None:
    report = workspace.test(f"-filter=tests/{name}")
    assert report.failed() == set(), report.findings
    assert set(report.runs) == set(RULES[name])


@pytest.mark.parametrize("name", RULES)
def test_each_of_its_rules_is_broken_by_a_change(
    name: str, providers: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """All changes of a file are made together; each rule must fail by what it asserts, not by an error."""
    report = Workspace.make(tmp_path, providers[NEWEST], *RULES[name].values()).test(f"-filter=tests/{name}")
    assert report.runs == dict.fromkeys(RULES[name], "fail"), report.findings


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_empty_project_takes_one_apply(workspace: Workspace, environment: str) -> None:
    report = workspace.test(
        "-test-directory=tests/environments",
        f"-var-file=environments/{environment}.tfvars",
        f"-var=source_archive={ARCHIVE}",
    )
    assert report.failed() == set(), report.findings


def test_an_apply_leaves_the_weights_to_the_failover() -> None:
    """Read from the text: a state that somebody else has changed cannot be had without the provider itself."""
    text = (SOURCE / "modules/fallback/load_balancer.tf").read_text()
    shared = re.search(r'^resource "google_compute_url_map" "this" \{.*?^\}', text, re.MULTILINE | re.DOTALL)
    assert shared
    assert "ignore_changes = [default_route_action]" in shared[0]
