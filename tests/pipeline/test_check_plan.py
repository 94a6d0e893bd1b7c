"""Of plans that Terraform itself makes: new code is deployed, anything more is not, and the next steps are told the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infra.conftest import NEWEST
from infra.conftest import providers as providers
from infra.terraform import Workspace
from modelserve_control.deploy.pipeline.check_plan import (
    PlanTooWide,
    PlanUnusable,
    changes,
    check_plan,
    manifests,
    model,
)
from pipeline.plans import Plan, plans

BOTH = ['google_cloudfunctions2_function.this["predict"]', 'google_cloudfunctions2_function.this["predict_event"]']


ARTIFACT = "europe-west1-docker.pkg.dev/example-prod/modelserve-manifests/manifests:prod"


@pytest.fixture(scope="module")
def made(providers: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    return plans(Workspace.make(tmp_path_factory.mktemp("plans"), providers[NEWEST]))


@pytest.mark.parametrize("run", ["new_code", "new_code_with_the_fallback"])
def test_a_new_archive_changes_both_functions_and_nothing_else(made: dict[str, Plan], run: str) -> None:
    assert changes(made[run]) == BOTH


def test_the_same_archive_changes_nothing(made: dict[str, Plan]) -> None:
    assert changes(made["nothing_new"]) == []


def test_a_plan_that_also_grants_something_is_refused_and_names_it(made: dict[str, Plan]) -> None:
    with pytest.raises(PlanTooWide, match="changes 1 more") as caught:
        changes(made["new_code_and_a_grant"])
    (detail,) = caught.value.details
    assert str(detail["address"]).startswith("google_pubsub_topic_iam_member.producers")
    assert detail["actions"] == "create"


def test_the_first_apply_is_not_for_the_pipeline(made: dict[str, Plan]) -> None:
    with pytest.raises(PlanTooWide):
        changes(made["first"])


def test_the_model_is_that_of_the_functions(made: dict[str, Plan]) -> None:
    assert model(made["new_code"]) == "churn@champion"
    assert model(made["other_models"]) == "flights@challenger"


def test_the_manifests_are_those_that_the_cluster_pulls(made: dict[str, Plan]) -> None:
    assert manifests(made["new_code"]) == ""
    assert manifests(made["new_code_with_the_fallback"]) == ARTIFACT


def function(**values: Any) -> Plan:
    """A plan of one function."""
    change = {"actions": ["update"], "after": {"service_config": [values]}}
    return {"resource_changes": [{"address": BOTH[0], "type": "google_cloudfunctions2_function", "change": change}]}


@pytest.mark.parametrize(
    "plan",
    [
        {},
        function(),
        function(environment_variables={"MODEL_URI": "gs://b/models/churn/versions/7"}),
        {"resource_changes": [
            *function(environment_variables={"MODEL_URI": "gs://b/models/a@champion"})["resource_changes"],
            *function(environment_variables={"MODEL_URI": "gs://b/models/b@champion"})["resource_changes"],
        ]},
    ],
)  # fmt: skip
def test_without_one_alias_for_both_there_is_nothing_to_test_against(plan: Plan) -> None:
    with pytest.raises(PlanUnusable, match="one MODEL_URI"):
        model(plan)


def test_a_function_that_would_go_away_is_refused() -> None:
    plan = function()
    plan["resource_changes"][0]["change"]["actions"] = ["delete", "create"]
    with pytest.raises(PlanTooWide):
        changes(plan)


def test_the_step_writes_a_file_for_each_question(made: dict[str, Plan], tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(made["new_code_with_the_fallback"]))
    done = CliRunner().invoke(check_plan, [str(tmp_path / "plan.json"), "--out", str(tmp_path / "out")])
    assert (done.exit_code, done.output.splitlines()) == (0, BOTH)
    assert (tmp_path / "out" / "changes").read_text().splitlines() == BOTH
    assert (tmp_path / "out" / "model").read_text() == "churn@champion"
    assert (tmp_path / "out" / "manifests").read_text() == ARTIFACT


def test_the_step_fails_and_writes_nothing_when_the_plan_is_too_wide(made: dict[str, Plan], tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(made["first"]))
    done = CliRunner().invoke(check_plan, [str(tmp_path / "plan.json"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "let somebody who may do that apply it first" in done.output
    assert not (tmp_path / "out").exists()
