"""Every check of a variable has a test that fails without it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from functools import partial
from itertools import count, zip_longest
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.conftest import NEWEST
from infra.terraform import SOURCE, Workspace
from modelserve_control.deploy.rollout.steps import Rollout

VARIABLE = re.compile(r'^variable "(\w+)" \{(.*?)^\}', re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r'^output "(\w+)" \{(.*?)^\}', re.MULTILINE | re.DOTALL)
CONDITION = re.compile(r"^    condition +=.*?(?=^    error_message)", re.MULTILINE | re.DOTALL)
FILES = sorted(path.relative_to(SOURCE).as_posix() for path in (SOURCE / "tests").glob("validations_*.tftest.hcl"))
FILTERS = [f"-filter={name}" for name in FILES]


@pytest.fixture
def variables(providers: dict[str, dict[str, str]], tmp_path: Path) -> Workspace:
    """Only the variables: they are checked before anything that uses them."""
    made = Workspace.make(tmp_path, providers[NEWEST])
    for path in made.directory.glob("*.tf"):
        if not path.name.startswith("variables"):
            path.unlink()
    return made


def test_what_is_wrong_is_refused(variables: Workspace) -> None:
    report = variables.test(*FILTERS)
    assert report.failed() == set(), report.findings


def test_each_check_has_a_run_that_fails_without_it(variables: Workspace) -> None:
    """The n-th run of a variable is about its n-th check.

    Terraform leaves a file at the first run that does not fail as expected, so one check of each file is taken away
    at a time, and its run must be the first that does not pass.
    """
    texts = {path: path.read_text() for path in variables.directory.glob("variables*.tf")}
    files = [numbered(variables.directory / name) for name in FILES]
    assert sorted(key for runs in files for key in runs.values()) == sorted(checks("".join(texts.values())))
    for turn in zip_longest(*(runs.items() for runs in files)):
        gone = dict(one for one in turn if one)
        for path, text in texts.items():
            path.write_text(VARIABLE.sub(partial(disarm, set(gone.values())), text))
        report = variables.test(*FILTERS)
        assert {name for name, status in report.runs.items() if status not in ("pass", "skip")} == set(gone), (
            report.findings
        )


def numbered(path: Path) -> dict[str, tuple[str, int]]:
    """Each run of a file, with its variable and the place of its check."""
    names = re.findall(r'^run "((\w+?)_refuses_\w+)"', path.read_text(), re.MULTILINE)
    seen: Counter[str] = Counter()
    found = {}
    for name, variable in names:
        seen[variable] += 1
        found[name] = (variable, seen[variable])
    return found


def checks(text: str) -> list[tuple[str, int]]:
    """Each check of each variable, numbered from 1."""
    counted = [(name, len(CONDITION.findall(body))) for name, body in VARIABLE.findall(text)]
    return [(name, place) for name, most in counted for place in range(1, most + 1)]


def disarm(gone: Collection[tuple[str, int]], variable: re.Match[str]) -> str:
    """A variable, with those of its checks that are in `gone` always satisfied."""
    name = variable[1]
    places = count(1)

    def replace(one: re.Match[str]) -> str:
        return f"    condition = var.{name} == var.{name}\n" if (name, next(places)) in gone else one[0]

    return CONDITION.sub(replace, variable[0])


def test_every_variable_and_output_is_described_and_typed() -> None:
    for path in SOURCE.rglob("*.tf"):
        text = path.read_text()
        for name, body in VARIABLE.findall(text):
            assert re.search(r'^  description += "[^"]{10,}', body, re.MULTILINE), f"{path.name}: {name}"
            assert re.search(r"^  type +=", body, re.MULTILINE), f"{path.name}: {name}"
        for name, body in OUTPUT.findall(text):
            assert re.search(r'^  description += "[^"]{10,}', body, re.MULTILINE), f"{path.name}: {name}"


def test_variables_and_outputs_are_in_order() -> None:
    for path in SOURCE.rglob("*.tf"):
        for pattern in (VARIABLE, OUTPUT):
            names = [name for name, _ in pattern.findall(path.read_text())]
            assert names == sorted(names), path.name


def test_the_longest_name_leaves_room_for_the_tag_of_a_rollout() -> None:
    """Cloud Run: a tag and a service's name have at most 46 characters together."""
    variable = dict(VARIABLE.findall((SOURCE / "variables.tf").read_text()))["name"]
    [pattern] = re.findall(r'regex\("(.+?)"', variable)
    longest = max(length for length in range(64) if re.search(pattern, "a" * length))
    names = re.findall(r"^    (predict\w*) = merge", (SOURCE / "functions.tf").read_text(), re.MULTILINE)
    tag = Rollout.tag_name.fget(SimpleNamespace(journal=SimpleNamespace(id="0123456789abcdef")))  # type: ignore[attr-defined]  # a property
    assert longest + max(len(f"-{name}") for name in names) + len(tag) <= 46
    assert longest == 18
