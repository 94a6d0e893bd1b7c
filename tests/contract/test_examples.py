"""The two examples: trained, logged to MLflow, published from there under MODEL_TRUST=strict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine
from modelserve.payloads import Limits
from modelserve.payloads import csv as text_csv
from modelserve.payloads.tables import from_records
from modelserve.schema.signature import Signature, from_mlmodel

EXAMPLES = Path(__file__).parents[2] / "scripts" / "examples"
LIMITS = Limits(rows=10, columns=100, depth=5)
CUSTOMER = json.loads(
    '{"customerid":"8879-zkjof","gender":"female","seniorcitizen":0,"partner":"no","dependents":"no","tenure":41,'
    '"phoneservice":"yes","multiplelines":"no","internetservice":"dsl","onlinesecurity":"yes","onlinebackup":"no",'
    '"deviceprotection":"yes","techsupport":"yes","streamingtv":"yes","streamingmovies":"yes","contract":"one_year",'
    '"paperlessbilling":"yes","paymentmethod":"bank_transfer_(automatic)","monthlycharges":79.85,"totalcharges":3320.75}'
)


def train(example: str, store: Path) -> dict[str, Any]:
    script = EXAMPLES / f"{example}.py"
    done = subprocess.run([sys.executable, script, store], capture_output=True, text=True, timeout=600, check=True)
    assert done.stderr == ""
    trained: dict[str, Any] = json.loads(done.stdout)
    return trained


def published(example: str, tmp_path: Path, *words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What training printed, and the manifest."""
    trained = train(example, tmp_path / "mlflow")
    command = CommandLine(str(tmp_path / "store"), {"MLFLOW_TRACKING_URI": trained["tracking_uri"]})
    command("publish", trained["run_uri"], "--name", "m", "--data", trained["sample"], *words)
    manifest: dict[str, Any] = command.json("show", "m/versions/1")["manifest"]
    return trained, manifest


def signature_of(manifest: dict[str, Any]) -> Signature:
    found = from_mlmodel(manifest["signature"])
    assert found
    return found


@pytest.mark.parametrize("totalcharges", [3320.75, None])
def test_the_churn_model_takes_a_customer_as_it_stands(totalcharges: float | None, churn: dict[str, Any]) -> None:
    signature = signature_of(churn)
    table = from_records([CUSTOMER | {"totalcharges": totalcharges}], signature, LIMITS)
    assert signature.check(table).rows == 1
    assert len(table.others) == 1  # customerid


def test_the_churn_model_takes_the_fifty_customers(churn: dict[str, Any]) -> None:
    signature = signature_of(churn)
    data = (EXAMPLES / "customers.csv").read_bytes()
    table = text_csv.parse(data, signature, Limits(rows=50, columns=100, depth=5)).table
    assert (signature.check(table).rows, len(table.others)) == (50, 0)


def test_the_churn_model_says_where_it_came_from(churn: dict[str, Any]) -> None:
    assert churn["presentation"] == {"positive_class": "yes", "threshold": 0.5, "label": "churn"}
    assert churn["provenance"]["source"].startswith("runs:/")
    assert churn["provenance"]["run_id"] in churn["provenance"]["source"]
    assert len(churn["sample"]) == 3


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    words = ("--positive-class", "yes", "--label", "churn")
    trained, manifest = published("telco_churn", tmp_path_factory.mktemp("churn"), *words)
    assert trained["metrics"]["accuracy"] > 0.78
    assert trained["metrics"]["roc_auc"] > 0.82
    assert trained["metrics"]["brier"] < 0.15
    return manifest


def test_the_flight_model_is_published_without_pickle(tmp_path: Path) -> None:
    trained, manifest = published("flight_duration", tmp_path, "--label", "flight_duration")
    assert trained["metrics"]["rmse_minutes"] < 14
    assert signature_of(manifest).names == ("origin_dest", "distance")
    assert manifest["presentation"] == {"label": "flight_duration"}


def test_retrain_and_drift_work_out_of_the_box(tmp_path: Path) -> None:
    scripts, environ = EXAMPLES.parent, os.environ | {"MODELSERVE_STORE": str(tmp_path / "store")}
    for example in ("flights", "churn"):
        for words in (["retrain", example], ["drift", example]):
            command = [str(scripts / words[0]), *words[1:], "--json"]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600)
            assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["drift"] is False
