"""What checkov finds in terraform/ is mended or explained, with production's variables and everything switched on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.checkov.scan import HERE, Finding, scan, unsettled
from infra.terraform import SOURCE

EXPLANATIONS = HERE / "terraform.toml"
VARIABLES = ("environments/prod.tfvars", "tests/environments/everything.tfvars")


ADDED = "google_bigquery_table.added"


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """Of a copy with one table more, which is not encrypted: a scan takes ten seconds, so all tests look at this one."""
    copy = tmp_path_factory.mktemp("checkov") / "terraform"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns(".terraform*"))
    tables = (copy / "tables.tf").read_text()
    _, start, rest = tables.partition('resource "google_bigquery_table" "this" {')
    body, end, _ = rest.partition("\n}\n")
    assert 'dynamic "encryption_configuration"' in body
    plain = body.replace('dynamic "encryption_configuration"', 'dynamic "labels"')
    (copy / "added.tf").write_text(start.replace('"this"', '"added"') + plain + end)
    return scan(["terraform"], copy, *(f"--var-file={copy / name}" for name in VARIABLES))


@pytest.fixture(scope="module")
def report(everything: list[Finding]) -> list[Finding]:
    return [one for one in everything if one.resource != ADDED]


def test_every_finding_is_explained_and_every_explanation_is_of_a_finding(report: list[Finding]) -> None:
    assert list(unsettled(report, EXPLANATIONS)) == []


def test_a_new_finding_is_noticed(everything: list[Finding]) -> None:
    noticed = list(unsettled(everything, EXPLANATIONS))
    assert [text.split(":")[0] for text in noticed] == [f"CKV_GCP_80 {ADDED}"]


def test_an_explanation_of_nothing_and_one_without_a_reason_are_noticed(report: list[Finding], tmp_path: Path) -> None:
    idle = tmp_path / "idle.toml"
    idle.write_text(
        EXPLANATIONS.read_text() + '[[finding]]\ncheck = "CKV_GCP_1"\nresources = ["google_x.y"]\nreason = "none"\n'
    )
    assert list(unsettled(report, idle)) == [
        "idle.toml: CKV_GCP_1 has no reason",
        "idle.toml: CKV_GCP_1 no longer finds google_x.y; take it away",
    ]
