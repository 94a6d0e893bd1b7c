"""What checkov finds in terraform/ is mended or explained, with production's variables and everything switched on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.checkov.scan import HERE, Finding, scan, unsettled
from infra.terraform import SOURCE

EXPLANATIONS = HERE / "terraform.toml"
VARIABLES = ("environments/prod.tfvars", "tests/environments/everything.tfvars")


def findings(directory: Path) -> list[Finding]:
    return scan("terraform", directory, *(f"--var-file={directory / name}" for name in VARIABLES))


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    return findings(SOURCE)


def test_every_finding_is_explained_and_every_explanation_is_of_a_finding(found: list[Finding]) -> None:
    assert list(unsettled(found, EXPLANATIONS)) == []


def test_a_new_finding_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "terraform"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns(".terraform*"))
    tables = copy / "tables.tf"
    tables.write_text(tables.read_text().replace('dynamic "encryption_configuration"', 'dynamic "labels"'))
    noticed = list(unsettled(findings(copy), EXPLANATIONS))
    assert [text.split(":")[0] for text in noticed] == ["CKV_GCP_80 google_bigquery_table.this"]


def test_an_explanation_of_nothing_and_one_without_a_reason_are_noticed(found: list[Finding], tmp_path: Path) -> None:
    idle = tmp_path / "idle.toml"
    idle.write_text(
        EXPLANATIONS.read_text() + '[[finding]]\ncheck = "CKV_GCP_1"\nresources = ["google_x.y"]\nreason = "none"\n'
    )
    assert list(unsettled(found, idle)) == [
        "idle.toml: CKV_GCP_1 has no reason",
        "idle.toml: CKV_GCP_1 no longer finds google_x.y; take it away",
    ]
