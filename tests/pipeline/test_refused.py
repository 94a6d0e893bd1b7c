"""What stops a push to main, and what it leaves as it was."""

from __future__ import annotations

import re
from pathlib import Path

from contract.rollout.revisions import Revision
from models.library import Library
from pipeline.conftest import CLUSTER, OLD, SECRET, Pipeline, plan_document
from pipeline.runner import as_late_as_possible, order_towards
from serving import release


def test_what_only_seems_to_change_and_cannot_be_left_out(pipeline: Pipeline) -> None:
    pipeline.plan["resource_changes"].append(CLUSTER)
    assert "apply once as somebody who may" in pipeline.run(order=order_towards("plan")).stopped_at("plan")


def test_a_secret_that_may_not_be_read(pipeline: Pipeline) -> None:
    pipeline.iam.refuses = True
    ran = pipeline.run(order=order_towards("plan"), _TOKEN=SECRET)
    assert f"asked for {SECRET}: the account needs roles/secretmanager.secretAccessor" in ran.stopped_at("plan")


def test_a_plan_of_other_code_than_what_is_there(pipeline: Pipeline) -> None:
    """Somebody has deployed beside Terraform, whose state does not know it."""
    pipeline.plan = plan_document("no-op")
    assert "instead of modelserve-" in pipeline.run().stopped_at("rollout")
    assert pipeline.nothing_was_deployed()


def test_a_broken_unit_test(pipeline: Pipeline) -> None:
    checkout = pipeline.checkout
    script = Path("scripts/test")
    (checkout.root / script).write_text((Path(__file__).parents[2] / script).read_text())
    room = "tests/unit/modelserve/core/test_errors.py"
    rooms = checkout.root / "rooms.txt"
    rooms.write_text(f"unit {room}\n")
    checkout.environ |= {"ROOMS": str(rooms), "LOGS": str(checkout.root / ".cache" / "logs")}
    checkout.replace("functions/modelserve/core/errors.py", '"SIGNATURE_MISMATCH"', '"SIGNATURE_MATCH"')
    wrote = pipeline.run(order=as_late_as_possible).stopped_at("test")
    assert "test_a_failure_has_one_shape" in wrote
    assert re.search(r"^unit: \d+ failed", wrote, re.MULTILINE)
    assert pipeline.nothing_was_deployed()
    assert checkout.calls_of("docker push") == []


def test_a_smoke_test_that_fails(pipeline: Pipeline) -> None:
    pipeline.cloud.next["churn-predict"] = Revision(version="2")
    wrote = pipeline.run().stopped_at("rollout")
    assert "The traffic is back where it was" in wrote
    assert len(pipeline.checkout.calls_of("terraform -chdir=terraform apply")) == 1
    assert pipeline.steps == ["pinned", "deployed", "tagged", "going back", "back"]
    assert pipeline.shares == OLD
    assert pipeline.cluster_commands() == []


def test_answers_that_are_not_those_that_were_agreed(pipeline: Pipeline) -> None:
    golden = pipeline.checkout.root / "cloudbuild" / "golden" / "dev.jsonl"
    golden.parent.mkdir()
    golden.write_text('{"request": {"x": 1}, "expected": {"prediction": 0.5}}\n')
    pipeline.cloud.next["churn-predict"] = Revision(version="1", prediction=0.75)
    pipeline.run().stopped_at("rollout")
    assert pipeline.steps == ["pinned", "deployed", "tagged", "going back", "back"]
    assert (pipeline.shares, pipeline.cluster_commands()) == (OLD, [])


def test_callers_that_get_errors_from_the_new_code(pipeline: Pipeline) -> None:
    pipeline.cloud.next["churn-predict"] = Revision(version="1", fails_from=25)
    assert "requests to churn-predict-00002-abc failed" in pipeline.run().stopped_at("rollout")
    assert "shifted 5" in pipeline.steps
    assert "shifted 25" not in pipeline.steps
    assert (pipeline.shares, pipeline.cluster_commands()) == (OLD, [])


def test_a_critical_hole_that_can_be_closed(pipeline: Pipeline) -> None:
    pipeline.rule("gcloud", "list-vulnerabilities", says="LOW,False,CVE-1\nCRITICAL,True,CVE-2")
    assert "there is a fix:\nCRITICAL,True,CVE-2" in pipeline.run(order=order_towards("scan")).stopped_at("scan")
    assert pipeline.nothing_was_deployed()


def test_an_image_that_cannot_be_scanned(pipeline: Pipeline) -> None:
    pipeline.rule("gcloud", "images scan", code=1)
    pipeline.run(order=order_towards("scan")).stopped_at("scan")
    assert pipeline.nothing_was_deployed()


def test_a_base_that_has_no_digest(pipeline: Pipeline) -> None:
    pipeline.rule("docker", "^image inspect .* docker.io/library/python", says="python:3.11")
    assert "has no digest" in pipeline.run(order=order_towards("image")).stopped_at("image")
    assert pipeline.checkout.calls_of("docker build") == []


def test_a_plan_that_changes_more_than_code(pipeline: Pipeline) -> None:
    pipeline.plan = plan_document("update", types=["google_project_iam_member"])
    wrote = pipeline.run(order=order_towards("plan")).stopped_at("plan")
    assert "address: google_project_iam_member.this, actions: create" in wrote
    assert pipeline.nothing_was_deployed()


def test_a_plan_that_was_changed_after_it_was_looked_at(pipeline: Pipeline) -> None:
    changed = 'echo more >>.cache/build/plan\n      kubernetes/render "$_ENV"'
    pipeline.checkout.replace("cloudbuild.yaml", 'kubernetes/render "$_ENV"', changed)
    assert "The deploy command ended with status 1" in pipeline.run().stopped_at("rollout")
    assert pipeline.shares == OLD


def test_a_version_that_the_functions_would_refuse(pipeline: Pipeline, models: Library, tmp_path: Path) -> None:
    old = models.copy("linear10", tmp_path / "old")
    text = (old / "python_env.yaml").read_text()
    (old / "python_env.yaml").write_text(text.replace("3.11", "3.8"))
    release(pipeline.store, "churn", old)
    assert "ENVIRONMENT_MISMATCH" in pipeline.run(_RUNTIME="native", order=order_towards("guard")).stopped_at("guard")
    assert pipeline.nothing_was_deployed()


def test_a_version_that_needs_more_than_the_archive_brings(pipeline: Pipeline, models: Library) -> None:
    release(pipeline.store, "churn", models.path("linear10"))
    wrote = pipeline.run(_RUNTIME="compiled", order=order_towards("guard")).stopped_at("guard")
    assert "churn version 2 is native, and the functions are built for compiled versions" in wrote
    assert pipeline.nothing_was_deployed()


def test_an_account_that_gets_no_token(pipeline: Pipeline) -> None:
    pipeline.iam.refuses = True
    wrote = pipeline.run().stopped_at("rollout")
    assert "needs roles/iam.serviceAccountOpenIdTokenCreator on itself" in wrote
    assert pipeline.nothing_was_deployed()
