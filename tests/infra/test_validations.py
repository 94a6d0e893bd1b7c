"""Every check of a variable has a test that fails without it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.conftest import NEWEST
from infra.terraform import SOURCE, Workspace

VARIABLE = re.compile(r'^variable "(\w+)" \{(.*?)^\}', re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r'^output "(\w+)" \{(.*?)^\}', re.MULTILINE | re.DOTALL)
CONDITION = re.compile(r"^    condition +=.*?(?=^    error_message)", re.MULTILINE | re.DOTALL)
MESSAGE = re.compile(r"^    error_message += (.*)", re.MULTILINE)
RUN = re.compile(r'^run "((\w+?)_refuses_\w+)" \{.*?^\}\n', re.MULTILINE | re.DOTALL)
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

    One check of each variable is taken away at a time, and only its run is run, which must not pass any more. So no other
    check refuses what a run is about, and no run is refused by the check of another.
    """
    texts = {path: path.read_text() for path in variables.directory.glob("variables*.tf")}
    runs = read_runs(variables.directory / "tests")
    assert [(name, place) for name in sorted(runs) for place in range(1, len(runs[name]) + 1)] == sorted(
        checks("".join(texts.values()))
    )
    for place in range(1, max(map(len, runs.values())) + 1):
        gone = {name: found[place - 1] for name, found in runs.items() if len(found) >= place}
        for path, text in texts.items():
            path.write_text(VARIABLE.sub(partial(disarm, {(name, place) for name in gone}), text))
        # Terraform leaves a file at the first run that does not fail as expected, so each has a file of its own.
        for name, run in gone.items():
            (variables.directory / "tests" / f"own_{name}.tftest.hcl").write_text(run.text)
        report = variables.test(*(f"-filter=tests/own_{name}.tftest.hcl" for name in gone))
        assert report.runs.keys() == report.failed() == {run.name for run in gone.values()}, report.findings


class Run(NamedTuple):
    """`text` is that of a file with only this run."""

    name: str
    text: str


def read_runs(directory: Path) -> dict[str, list[Run]]:
    """By variable."""
    runs: dict[str, list[Run]] = {}
    for path in [directory.parent / name for name in FILES]:
        text = path.read_text()
        shared = text[: RUN.search(text).start()]  # type: ignore[union-attr]  # a file without a run is none
        for run in RUN.finditer(text):
            runs.setdefault(run[2], []).append(Run(run[1], shared + run[0]))
    return runs


def test_each_message_says_which_check_it_is_of() -> None:
    said = [found for path in SOURCE.glob("variables*.tf") for found in MESSAGE.findall(path.read_text())]
    assert [message for message, times in Counter(said).items() if times > 1] == []


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


def test_names_may_be_as_long_as_their_resources_allow() -> None:
    """So long that relations/policies.py finds room for every resource and the tag of a rollout, and no shorter."""
    [pattern] = re.findall(r'regex\("(.+?)", var\.name\)', (SOURCE / "variables.tf").read_text())
    assert max(length for length in range(64) if re.search(pattern, "a" * length)) == 18
    [both] = re.findall(r"length\(var\.name\) \+ length\(key\) <= (\d+)", (SOURCE / "variables_models.tf").read_text())
    assert int(both) == 17
