"""Words that only the provider would refuse are refused here."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import possible_values
from infra.conftest import NEWEST
from infra.terraform import EVERYTHING, Change, Report, Workspace
from infra.wheels import PROVIDERS

# In each word one letter is wrong.
CHANGES = [
    Change("alerts.tf", '"REDUCE_MAX"', '"REDUCE_MAXX"'),
    Change("uptime.tf", '"OIDC_TOKEN"', '"OIDC_TOKENS"'),
    Change("build.tf", '"COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"', '"COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTERS_ONLY"'),
    Change("modules/fallback/backends.tf", '"INTERNET_FQDN_PORT"', '"INTERNET_FDQN_PORT"'),
    Change("registry.tf", '"DELETE"', '"REMOVE"'),
]  # fmt: skip


@pytest.fixture(scope="session")
def possible() -> possible_values.Possible:
    return possible_values.read(PROVIDERS[NEWEST].fetch())


def findings(report: Report, possible: possible_values.Possible) -> list[str]:
    assert report.failed() == set(), report.findings
    planned = report.plans["an_empty_project_takes_one_plan"]
    return [text for one in planned for text in possible_values.impossible(one, possible)]


def test_the_provider_takes_every_word(everything: Report, possible: possible_values.Possible) -> None:
    assert findings(everything, possible) == []


def test_a_wrong_letter_is_found(
    providers: dict[str, dict[str, str]], possible: possible_values.Possible, tmp_path: Path
) -> None:
    wrong = Workspace.make(tmp_path, providers[NEWEST], *CHANGES).test(*EVERYTHING)
    found = "\n".join(findings(wrong, possible))
    assert [change.new for change in CHANGES if f"is {change.new.strip(chr(34))}," not in found] == []
