"""Of plans that Terraform itself makes: new code is deployed, anything more is not, and the next steps are told the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infra.conftest import NEWEST
from infra.conftest import providers as providers
from infra.stand_in import known as known_schema
from infra.terraform import Workspace
from infra.wheels import PROVIDERS
from modelserve_control.deploy.pipeline.attributes import OUTPUTS
from modelserve_control.deploy.pipeline.check_plan import (
    PlanTooWide,
    PlanUnusable,
    changes,
    check_plan,
    component,
    manifests,
    models,
    targets,
)
from pipeline.plans import Plan, plans

BOTH = ['google_cloudfunctions2_function.this["predict"]', 'google_cloudfunctions2_function.this["predict_event"]']
SERVICES = "--predict-event=modelserve-predict-event --predict=modelserve-predict"

ARTIFACT = "europe-west1-docker.pkg.dev/example-prod/modelserve-manifests/manifests:prod"


@pytest.fixture(scope="module")
def made(providers: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    return plans(Workspace.make(tmp_path_factory.mktemp("plans"), providers[NEWEST]))


@pytest.mark.parametrize("run", ["new_code", "new_code_with_the_fallback"])
def test_a_new_archive_changes_both_functions_and_nothing_else(made: dict[str, Plan], run: str) -> None:
    assert changes(made[run]) == BOTH


def test_the_same_archive_changes_nothing(made: dict[str, Plan]) -> None:
    assert changes(made["nothing_new"]) == []
    assert targets(made["nothing_new"]) == []


def function_change(before: Any, after: Any, kind: str = "google_cloudfunctions2_function", **unknown: Any) -> Plan:
    change = {"actions": ["update"], "before": before, "after": after, "after_unknown": unknown}
    return {"resource_changes": [{"address": f"{kind}.this", "type": kind, "change": change}]}


def service(**values: Any) -> Plan:
    return {"service_config": [{"ingress_settings": "ALLOW_ALL", "available_memory": "1Gi", **values}], "labels": {}}


@pytest.mark.parametrize(
    ("attribute", "after"),
    [
        ("service_config.ingress_settings", service(ingress_settings="ALLOW_INTERNAL_ONLY")),
        ("service_config.secret_environment_variables", service(secret_environment_variables=[{"key": "A"}])),
        ("service_config.service_account_email", service(service_account_email="owner@p.iam.gserviceaccount.com")),
        ("service_config.vpc_connector", service(available_memory="2Gi", vpc_connector="c")),
        ("kms_key_name", service() | {"kms_key_name": "k"}),
    ],
)
def test_who_may_reach_a_function_and_what_it_may_reach_is_not_for_the_pipeline(attribute: str, after: Plan) -> None:
    with pytest.raises(PlanTooWide) as caught:
        changes(function_change(service(), after))
    assert caught.value.details[0]["attributes"] == attribute


def test_an_attribute_that_only_the_apply_tells_counts_as_changed() -> None:
    with pytest.raises(PlanTooWide):
        changes(function_change(service(), service(), kms_key_name=True))
    assert changes(function_change(service(), service(), update_time=True, labels={"commit": True})) != []


@pytest.mark.parametrize("memory", ["1Gi", "2Gi"])
def test_what_the_api_answers_otherwise_blocks_no_build(memory: str) -> None:
    before = service(all_traffic_on_latest_revision=True)
    plan = function_change(before, service(all_traffic_on_latest_revision=False, available_memory=memory))
    assert changes(plan) == ([] if memory == "1Gi" else ["google_cloudfunctions2_function.this"])
    assert targets(plan) == []


def test_elsewhere_it_is_left_out_by_a_second_plan_and_nothing_else_passes_with_it() -> None:
    kind = "google_artifact_registry_repository"
    repository = {"docker_config": [], "cleanup_policy_dry_run": False}
    block = {"docker_config": [{"immutable_tags": False}]}
    plan = function_change(repository, repository | block, kind)
    plan["resource_changes"] += function_change(service(), service(available_memory="2Gi"))["resource_changes"]
    assert changes(plan) == ["google_cloudfunctions2_function.this"]
    assert targets(plan) == ["-target=google_cloudfunctions2_function.this"]
    with pytest.raises(PlanTooWide):
        changes(function_change(repository, repository | block | {"cleanup_policy_dry_run": True}, kind))
    with pytest.raises(PlanTooWide):
        changes(function_change({}, block, "google_storage_bucket"))


def test_what_only_google_says_is_nothing_that_can_be_told_it(providers: dict[str, dict[str, str]]) -> None:
    for version in PROVIDERS:
        schema, _ = known_schema(version)
        known = schema.resources["google_cloudfunctions2_function"]
        for name in OUTPUTS:
            *path, last = name.split(".")
            block = known
            for part in path:
                block = block.blocks[part].block
            # Two may be told, and this project does not.
            if last not in ("generation", "id"):
                assert block.attributes[last].computed, name
                assert not block.attributes[last].optional, name


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
    assert models(made["new_code"]) == [f"churn@champion {SERVICES}"]
    assert models(made["another_model"]) == [f"flights@challenger {SERVICES}"]
    assert sorted(models(made["two_models"])) == [
        f"churn@champion {SERVICES}",
        f"flight_delay@champion {SERVICES.replace('modelserve', 'modelserve-flights')}",
    ]


def test_the_manifests_are_those_that_the_cluster_pulls(made: dict[str, Plan]) -> None:
    assert manifests(made["new_code"]) == ""
    assert manifests(made["new_code_with_the_fallback"]) == ARTIFACT
    assert [component(made[run]) for run in ("new_code", "new_code_with_the_fallback")] == ["", "push"]


def function(entry_point: str = "predict", **settings: str) -> Plan:
    """A plan of one function."""
    after = {
        "name": f"churn-{entry_point.replace('_', '-')}",
        "build_config": [{"entry_point": entry_point}],
        "service_config": [{"environment_variables": settings}],
    }
    change = {"actions": ["update"], "after": after}
    return {"resource_changes": [{"address": BOTH[0], "type": "google_cloudfunctions2_function", "change": change}]}


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({}, "The plan has no function"),
        (function(), "does not tell the MODEL_URI of churn-predict"),
        (function(MODEL_URI="gs://b/models/churn/versions/7"), "does not tell the MODEL_URI of churn-predict"),
    ],
)
def test_without_an_alias_there_is_nothing_to_test_against(plan: Plan, words: str) -> None:
    with pytest.raises(PlanUnusable, match=words):
        models(plan)


def test_both_functions_of_a_model_must_serve_the_same() -> None:
    plan = function(MODEL_URI="gs://b/models/a@champion")
    plan["resource_changes"] += function("predict_event", MODEL_URI="gs://b/models/b@champion")["resource_changes"]
    with pytest.raises(PlanUnusable, match="churn-predict-event would serve b@champion, and its pair a@champion"):
        models(plan)


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
    assert (tmp_path / "out" / "models").read_text() == f"churn@champion {SERVICES}\n"
    assert (tmp_path / "out" / "manifests").read_text() == ARTIFACT


def test_the_step_fails_and_writes_nothing_when_the_plan_is_too_wide(made: dict[str, Plan], tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(made["first"]))
    done = CliRunner().invoke(check_plan, [str(tmp_path / "plan.json"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "let somebody who may do that apply it first" in done.output
    assert not (tmp_path / "out").exists()
