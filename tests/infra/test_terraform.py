"""The configuration is formatted, valid for the oldest and newest provider it names, and keeps its own tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.conftest import NEWEST
from infra.mutations import RULES
from infra.terraform import APPLY, ARCHIVE, SOURCE, Workspace

RUN = re.compile(r'^run "(\w+)" \{\n(.*?)^\}\n', re.MULTILINE | re.DOTALL)
ASSERT = re.compile(r"^  assert \{\n.*?^  \}\n", re.MULTILINE | re.DOTALL)
PLAN = "  command = plan"
QUICK = f"{PLAN}\n  plan_options {{\n    refresh = false\n  }}"  # nobody changes what the run before has made
MESSAGE = re.compile(r'error_message = "(.*)"')
ENVIRONMENTS = ["dev", "staging", "prod"]


def test_it_is_formatted(newest: Workspace) -> None:
    newest.check("fmt", "-check", "-diff", "-recursive")


def test_it_is_valid(workspace: Workspace) -> None:
    workspace.check("validate")


def merge(directory: Path, name: str) -> tuple[dict[str, set[str]], list[str]]:
    """A file `merged_<name>`, in which one run makes the assertions of all rules that are planned with the same variables:
    Terraform takes half a second for each plan. The messages by which each rule fails, and the names of the runs."""
    text = (directory / name).read_text()
    messages: dict[str, set[str]] = {}
    runs: dict[str, list[str]] = {}
    planned: dict[str, list[str]] = {}
    for found in RUN.finditer(text):
        rule, body = found.groups()
        messages[rule] = set(MESSAGE.findall(body))
        head = ASSERT.sub("", body).strip("\n").replace(PLAN, QUICK)
        if PLAN not in head:
            planned = {}  # what is planned next is planned against what this run leaves
        if head not in planned:
            planned[head] = runs[rule] = [f'run "{rule}" {{\n{head}\n']
        planned[head] += ASSERT.findall(body)
    merged = ["\n".join(run) + "}\n" for run in runs.values()]
    (directory / f"merged_{name}").write_text("\n".join([text[: text.index('\nrun "')], *merged]))
    every = [message for own in messages.values() for message in own]
    assert [one for one in every if sum(one in other for other in every) > 1] == []  # or it would not name its rule
    return messages, list(runs)


@pytest.mark.parametrize("name", RULES)
def test_it_keeps_its_own_rules(newest: Workspace, name: str) -> None:
    rules, runs = merge(newest.directory / "tests", name)
    report = newest.test(f"-filter=tests/merged_{name}")
    assert report.runs == dict.fromkeys(runs, "pass"), report.findings
    assert set(rules) == set(RULES[name])


@pytest.mark.parametrize("name", RULES)
def test_each_of_its_rules_is_broken_by_a_change(
    name: str, providers: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """All changes of a file are made together; each rule must fail by what it asserts, not by an error."""
    broken = Workspace.make(tmp_path, providers[NEWEST], *RULES[name].values())
    rules, runs = merge(broken.directory / "tests", name)
    report = broken.test(f"-filter=tests/merged_{name}")
    assert report.runs == dict.fromkeys(runs, "fail"), report.findings
    said = "\n".join(text for found in report.findings.values() for text in found)
    assert [rule for rule, messages in rules.items() if not any(message in said for message in messages)] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_empty_project_takes_one_apply(newest: Workspace, environment: str) -> None:
    report = newest.test(*APPLY, f"-var-file=environments/{environment}.tfvars", f"-var=source_archive={ARCHIVE}")
    assert report.failed() == set(), report.findings


def test_an_apply_leaves_the_weights_to_the_failover() -> None:
    """Read from the text: a state that somebody else has changed cannot be had without the provider itself."""
    text = (SOURCE / "modules/fallback/load_balancer.tf").read_text()
    shared = re.search(r'^resource "google_compute_url_map" "this" \{.*?^\}', text, re.MULTILINE | re.DOTALL)
    assert shared
    assert "ignore_changes = [default_route_action]" in shared[0]
