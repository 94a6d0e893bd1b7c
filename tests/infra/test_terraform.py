"""The configuration is formatted, valid and keeps its own tests, for the oldest and newest provider it names."""

from __future__ import annotations

import pytest

from infra.terraform import ARCHIVE, Workspace

ENVIRONMENTS = ["dev", "staging", "prod"]


def test_it_is_formatted(workspace: Workspace) -> None:
    workspace.check("fmt", "-check", "-diff", "-recursive")


def test_it_is_valid(workspace: Workspace) -> None:
    workspace.check("validate")


def test_it_keeps_its_own_rules(workspace: Workspace) -> None:
    report = workspace.test()
    assert report.failed() == set(), report.findings


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_empty_project_takes_one_apply(workspace: Workspace, environment: str) -> None:
    report = workspace.test(
        "-test-directory=tests/environments",
        f"-var-file=environments/{environment}.tfvars",
        f"-var=source_archive={ARCHIVE}",
    )
    assert report.failed() == set(), report.findings
