"""What the README of terraform/ says can be done can be done."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from gcloud import lint
from infra.terraform import ARCHIVE, PLAN, ROOT, SOURCE, Report, Workspace

README = (SOURCE / "README.md").read_text()
BLOCKS = re.findall(r"```hcl\n(.*?)```", README, re.DOTALL)
INLINE = re.findall(r"`(gcloud [^`]+)`", README)
ADVISED = [
    re.sub(r"\$\{[^}]*\}", "x", found)
    for path in sorted(SOURCE.rglob("*.tf"))
    for found in re.findall(r"gcloud [a-z](?:\$\{[^}]*\}|[^\")\\])*", path.read_text())
]
COMMANDS = [line[2:] for line in re.findall(r"```console\n(.*?)```", README, re.DOTALL)[0].splitlines()]
GCLOUD = [
    command.replace("$PROJECT", "example-dev").replace("$REGION", "europe-west1")
    for command in [line for line in COMMANDS if line.startswith("gcloud ")] + INLINE + ADVISED
]


@pytest.fixture(scope="module")
def blocks(newest: Workspace) -> Report:
    """Production from nothing with each block, by its place."""
    shared, _, _ = (newest.directory / "tests/environments/one_apply.tftest.hcl").read_text().partition("run ")
    directory = newest.directory / "tests/blocks"
    directory.mkdir()
    for place, block in enumerate(BLOCKS):  # a file each: Terraform leaves a file at the first run that has an error
        run = f'run "block_{place}" {{\n  variables {{\n{block}  }}\n}}\n'
        (directory / f"{place}.tftest.hcl").write_text(shared + run)
    return newest.test(
        "-test-directory=tests/blocks", "-var-file=environments/prod.tfvars", f"-var=source_archive={ARCHIVE}"
    )


@pytest.mark.parametrize("place", range(len(BLOCKS)), ids=[block.split()[0] for block in BLOCKS])
def test_a_block_is_what_production_may_add(blocks: Report, place: int) -> None:
    assert blocks.runs[f"block_{place}"] == "pass", blocks.findings
    assert re.findall(r"\b(?:local|run|var)\.|\w\(", BLOCKS[place]) == [], "a file of variables may say constants alone"


def test_a_block_with_a_mistake_would_be_noticed(newest: Workspace, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tfvars"
    wrong.write_text('predict = { memory = "1024" }\n')
    report = newest.test(
        *PLAN, "-var-file=environments/prod.tfvars", f"-var-file={wrong}", f"-var=source_archive={ARCHIVE}"
    )
    assert "an_empty_project_takes_one_plan" in report.failed()


def test_it_takes_ten_commands() -> None:
    assert len(COMMANDS) <= 10
    assert "output -raw curl" in COMMANDS[-1]


@pytest.fixture(scope="module")
def errors() -> dict[str, str | None]:
    return lint(GCLOUD)


@pytest.mark.parametrize("command", GCLOUD)
def test_gcloud_knows_the_command(command: str, errors: dict[str, str | None]) -> None:
    assert errors[command] is None


def test_terraform_commands_name_files_variables_and_outputs_that_exist() -> None:
    outputs = set(re.findall(r'^output "(\w+)"', (SOURCE / "outputs.tf").read_text(), re.MULTILINE))
    variables = {
        directory: set(
            re.findall(r'^variable "(\w+)"', "".join(map(Path.read_text, directory.glob("*.tf"))), re.MULTILINE)
        )
        for directory in (SOURCE, SOURCE / "bootstrap")
    }
    looked_at = set()
    for command in COMMANDS:
        for found in re.findall(r"terraform -chdir=\S+ [^)\"]+", command):
            _, chdir, *words = shlex.split(found)
            directory = SOURCE.parent / chdir.removeprefix("-chdir=")
            assert directory in variables, command
            for word in words:
                option, _, value = word.partition("=")
                looked_at |= {chdir, option}
                if option in ("-var-file", "-backend-config"):
                    assert (directory / value).is_file(), command
                if option == "-var":
                    assert value.partition("=")[0] in variables[directory], command
            if words[:2] == ["output", "-raw"]:
                assert words[2] in outputs, command
        for name in re.findall(r"TF_VAR_(\w+)=", command):
            assert name in variables[SOURCE], command
            looked_at.add("TF_VAR")
    assert looked_at >= {
        "-chdir=terraform",
        "-chdir=terraform/bootstrap",
        "-backend-config",
        "-var-file",
        "output",
        "TF_VAR",
    }


def test_the_archive_is_made_and_its_object_carries_its_hash(newest: Workspace, tmp_path: Path) -> None:
    """The line that packages the functions, as a shell runs it; only its program is this checkout's."""
    [line] = [command for command in COMMANDS if "modelserve package" in command]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    sources = os.pathsep.join([str(ROOT / "functions"), str(ROOT / "scripts")])
    done = subprocess.run(
        ["sh", "-ec", f'{line}\nprintf %s "$TF_VAR_source_archive"'], cwd=tmp_path, check=True, text=True, timeout=120,
        env={"PATH": path, "PYTHONPATH": sources, "HOME": str(tmp_path)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    archive = Path(done.stdout)
    assert archive.is_absolute(), "Terraform runs in another directory"
    assert "main.py" in ZipFile(archive).namelist()
    report = newest.test(
        "-verbose", *PLAN, "-var-file=environments/dev.tfvars", f"-var=source_archive={archive}",
    )  # fmt: skip
    assert report.failed() == set(), report.findings
    [made] = [
        one["change"]["after"]
        for one in report.plans["an_empty_project_takes_one_plan"]
        if one["type"] == "google_storage_bucket_object"
    ]
    assert made["source"] == str(archive)
    assert made["name"] == f"modelserve-{sha256(archive.read_bytes()).hexdigest()[:16]}.zip"


def test_every_account_and_file_is_in_its_table() -> None:
    accounts = re.findall(r'^    (\w+) += "', (SOURCE / "identities.tf").read_text(), re.MULTILINE)
    assert "http" in accounts
    assert [name for name in accounts if f"| `{name}` |" not in README] == []
    files = {path.name for path in SOURCE.glob("*.tf")} - {"project.tf", "versions.tf"}
    assert [name for name in sorted(files) if f"`{name}`" not in README and not name.startswith("variables")] == []


@pytest.mark.parametrize(
    "fact",
    [
        "Through the load balancer, too, a caller's identity token must name the function's own address as its audience",
        "with `build_config.function_target` is the other way to make one",
        "a plan may show `all_traffic_on_latest_revision` of both functions as a change",
    ],
)
def test_it_says_what_no_configuration_can_change(fact: str) -> None:
    assert fact in README.replace("\n", " ")
