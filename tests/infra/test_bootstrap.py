"""The bucket of the state and the APIs, which come before everything else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.conftest import NEWEST
from infra.terraform import SOURCE, Change, Workspace

CHANGES = {
    "a_state_can_be_brought_back": Change("bootstrap/state.tf", "enabled = true", "enabled = false"),
    "the_state_is_not_public": Change("bootstrap/state.tf", '"enforced"', '"inherited"'),
    "an_api_stays_enabled_for_others": Change("bootstrap/apis.tf", "disable_on_destroy = false", "disable_on_destroy = true"),
    "accounts_of_google_are_there_before_they_are_granted_anything": Change("bootstrap/agents.tf", '"eventarc", ', ""),
    "a_part_brings_its_own_apis": Change("bootstrap/apis.tf", "for part in var.parts : local.apis[part]", "for part in local.apis : part"),
    "parts_refuses_what_is_none": Change("bootstrap/variables.tf", '"watching"])) == 0', '"watching"])) >= 0'),
    "project_id_refuses_a_number": Change("bootstrap/variables.tf", "[a-z][a-z0-9-]{4,28}", "[a-z0-9-]{4,29}"),
    "region_refuses_a_zone": Change("bootstrap/variables.tf", "[0-9]+$", "[0-9]+"),
}  # fmt: skip


def test_it_is_valid_and_keeps_its_rules(workspace: Workspace) -> None:
    workspace.check("init", "-input=false", directory="bootstrap")
    workspace.check("validate", directory="bootstrap")
    report = workspace.test(directory="bootstrap")
    assert report.failed() == set(), report.findings
    assert set(report.runs) == set(CHANGES)


@pytest.mark.parametrize("rule", CHANGES)
def test_a_rule_is_broken_by_a_change(rule: str, providers: dict[str, dict[str, str]], tmp_path: Path) -> None:
    broken = Workspace.make(tmp_path, providers[NEWEST], CHANGES[rule])
    broken.check("init", "-input=false", directory="bootstrap")
    report = broken.test(directory="bootstrap")
    assert {name for name, status in report.runs.items() if status in ("fail", "error")} == {rule}, report.findings


def test_the_state_of_each_environment_is_where_bootstrap_puts_it() -> None:
    made = re.search(r'name += "\$\{var\.project_id\}([^"]+)"', (SOURCE / "bootstrap" / "state.tf").read_text())
    assert made
    for path in (SOURCE / "environments").glob("*.tfvars"):
        project = re.search(r'project_id += "([^"]+)"', path.read_text())
        assert project
        assert f'bucket = "{project[1]}{made[1]}"' in path.with_suffix(".gcs.tfbackend").read_text()


def test_the_accounts_that_get_the_key_are_made_first() -> None:
    """Those of Storage and BigQuery are made by looking them up, and Monitoring's by its first uptime check. That of the
    proxy gets no key: it calls the console."""
    granted = set(re.findall(r"^    (\w+) += local\.agents\.\1$", (SOURCE / "encryption.tf").read_text(), re.MULTILINE))
    [made] = re.findall(r"toset\(\[(.*)\]\)", (SOURCE / "bootstrap" / "agents.tf").read_text())
    assert {name.replace("_", "").replace("functions", "cloudfunctions") for name in granted | {"iap"}} == set(
        re.findall(r'"(\w+)"', made)
    )
