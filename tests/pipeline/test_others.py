"""What a pull request runs, and what a schedule does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from models.library import Library, room
from pipeline.conftest import Pipeline
from pipeline.definitions import ROOT, Definition

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
    (pipeline.checkout.root / "scripts" / "drift").unlink()
    wrote = pipeline.run("cloudbuild/job.yaml", _JOB="drift", _ASKED="drift").stopped_at("setup")
    assert "There is no executable scripts/drift: docs/pipeline.md says" in wrote
    assert "take drift out of schedules in terraform/environments/dev.tfvars" in wrote


def test_a_message_for_another_job_is_refused(pipeline: Pipeline) -> None:
    wrote = pipeline.run("cloudbuild/job.yaml", _JOB="drift", _ASKED="retrain").stopped_at("setup")
    assert "The message asks for 'retrain', and this trigger is for drift." in wrote


# --- a retraining, as docs/pipeline.md says it ---


@pytest.fixture
def retraining(pipeline: Pipeline, tmp_path: Path) -> Path:
    """Where the model has to be that the script of the page will have trained."""
    scripts = pipeline.checkout.root / "scripts"
    (page,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "pipeline.md").read_text(), re.DOTALL)
    (scripts / "retrain").write_text(page)
    (scripts / "retrain").chmod(0o755)
    (scripts / "thresholds.yaml").write_text(yaml.safe_dump({"max_size": 0.5, "schema": "same"}))
    columns = {f"G{number}": [0.0, 1.0, float(number)] for number in range(1, 11)}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    trained = tmp_path / "trained"
    (scripts / "train.py").write_text(
        "import shutil, sys\n"
        "_, out, model, rows, file = sys.argv\n"
        "assert (out, rows) == ('--out', '--rows')\n"
        f"shutil.copytree({str(trained)!r}, model)\n"
        f"shutil.copy({str(tmp_path / 'rows.parquet')!r}, file)\n"
    )
    return trained


def alias_and_versions(pipeline: Pipeline) -> tuple[str, list[str]]:
    """The version that the alias names, and all that there are."""
    models = pipeline.store / "models" / "churn"
    alias = json.loads((models / "aliases" / "champion.json").read_text())
    return alias["version"], sorted(path.parent.name for path in models.glob("versions/*/manifest.json"))


def test_a_retrained_model_is_published_compared_and_promoted(
    pipeline: Pipeline, retraining: Path, models: Library
) -> None:
    models.copy("linear10", retraining)
    ran = pipeline.run("cloudbuild/job.yaml", _JOB="retrain", _ASKED="retrain")
    assert ran.failed is None, ran.wrote[str(ran.failed)]
    assert "churn@champion now names version 2" in ran.wrote["job"]
    assert alias_and_versions(pipeline) == ("2", ["1", "2"])


def test_a_regressed_model_stops_the_build_before_it_answers_anybody(pipeline: Pipeline, retraining: Path) -> None:
    room("linear").ten(retraining, 5.0)
    wrote = pipeline.run("cloudbuild/job.yaml", _JOB="retrain", _ASKED="retrain").stopped_at("job")
    assert "Version 2 of churn does not pass thresholds.yaml against version 1" in wrote
    assert "prediction, max_size: 4.5, allowed 0.5" in wrote
    assert alias_and_versions(pipeline) == ("1", ["1", "2"])
