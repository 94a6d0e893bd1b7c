"""What a pull request runs, and what a schedule does."""

from __future__ import annotations

import pytest

from pipeline.conftest import Pipeline
from pipeline.definitions import Definition

ECHO = """#!/bin/sh
echo "$MODELSERVE_STORE $MODELSERVE_NAME $MODELSERVE_ENVIRONMENT $GOOGLE_CLOUD_PROJECT $GOOGLE_CLOUD_REGION"
modelserve versions churn
"""


def test_a_pull_request_is_tested_and_built_and_nothing_leaves_the_build(pipeline: Pipeline) -> None:
    ran = pipeline.run("cloudbuild/test.yaml", _JOB="test")
    assert ran.failed is None, ran.wrote[str(ran.failed)]
    assert list(ran.wrote) == [step.id for step in Definition.read("cloudbuild/test.yaml").steps]
    assert "scripts/test" in pipeline.checkout.calls
    assert [call.split()[:2] for call in pipeline.checkout.calls if call.startswith("docker")] == [
        ["docker", "pull"],
        ["docker", "image"],
        ["docker", "build"],
    ]
    assert pipeline.nothing_was_deployed()


@pytest.mark.parametrize("job", ["retrain", "drift"])
def test_a_schedule_runs_the_script_of_its_job_with_the_store_and_the_command(pipeline: Pipeline, job: str) -> None:
    script = pipeline.checkout.root / "scripts" / job
    script.write_text(ECHO)
    script.chmod(0o755)
    ran = pipeline.run("cloudbuild/job.yaml", _JOB=job, _ASKED=job)
    assert ran.failed is None, ran.wrote[str(ran.failed)]
    said, _, versions = ran.wrote["job"].partition("\n")
    assert said == f"{pipeline.store} churn dev p r"
    assert "champion" in versions


def test_a_script_that_fails_fails_the_build(pipeline: Pipeline) -> None:
    script = pipeline.checkout.root / "scripts" / "retrain"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    pipeline.run("cloudbuild/job.yaml", _JOB="retrain", _ASKED="retrain").stopped_at("job")


def test_without_a_script_it_says_what_to_write_or_how_to_end_the_schedule(pipeline: Pipeline) -> None:
    wrote = pipeline.run("cloudbuild/job.yaml", _JOB="drift", _ASKED="drift").stopped_at("setup")
    assert "There is no executable scripts/drift: docs/pipeline.md says" in wrote
    assert "take drift out of schedules in terraform/environments/dev.tfvars" in wrote


def test_a_message_for_another_job_is_refused(pipeline: Pipeline) -> None:
    wrote = pipeline.run("cloudbuild/job.yaml", _JOB="drift", _ASKED="retrain").stopped_at("setup")
    assert "The message asks for 'retrain', and this trigger is for drift." in wrote
