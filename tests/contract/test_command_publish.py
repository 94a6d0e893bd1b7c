"""`modelserve publish`, as a real process against a directory and a bucket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bucket_server import BucketServer
from command_line import CommandLine
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import processes
from modelserve_control.monitor.stats.profile import FILE, decode_profile
from modelserve_control.registry import catalog

if TYPE_CHECKING:
    from models.library import Library

PRESENTED = ("--positive-class", "yes", "--threshold", "0.4", "--label", "churn")


def test_a_published_model_has_everything_a_server_and_a_reader_need(
    command: CommandLine, objects: Objects, models: Library
) -> None:
    result = command.json("publish", models.path("churn"), "--name", "churn", "--alias", "champion", *PRESENTED)
    assert (result["version"], result["alias"]["version"], result["signature_inferred"]) == ("1", "1", False)
    manifest = catalog.manifest(objects, "churn", "1")
    assert manifest.digest == result["manifest_sha256"]
    saved = {path.name for path in models.path("churn").iterdir()}
    assert {entry.path for entry in manifest.files} == saved | {"model.onnx", "served.onnx"}
    assert (result["runtime"], manifest.runtime["kind"]) == ("compiled", "compiled")
    assert manifest.presentation == {"positive_class": "yes", "threshold": 0.4, "label": "churn"}
    assert manifest.methods[:2] == ["predict", "predict_proba"]
    assert manifest.sample[1] == {"contract": "one_year", "tenure": 20, "monthlycharges": 60.0}
    assert manifest.environment["packages"]["scikit-learn"]
    assert manifest.provenance["source"] == str(models.path("churn"))
    assert {"published_by", "published_at", "tool", "mlflow_version"} <= manifest.provenance.keys()


def test_a_version_can_be_published_again_from_its_alias(
    command: CommandLine, objects: Objects, models: Library
) -> None:
    command("publish", models.path("churn"), "--name", "churn", "--alias", "champion")
    result = command.json("publish", f"{command.store}/models/churn@champion", "--name", "copy")
    first, second = catalog.manifest(objects, "churn", "1"), catalog.manifest(objects, "copy", result["version"])
    assert first.files == second.files
    assert first.runtime == second.runtime


def test_stdout_holds_only_the_result_and_progress_goes_to_stderr(tmp_path: Path, models: Library) -> None:
    done = CommandLine(str(tmp_path), cold=True)("publish", models.path("linear10"), "--name", "ten")
    assert done.out == f"ten version 1: 7 files, {done.out.split()[5]} bytes\n"
    assert "fetching" in done.err
    assert "uploaded" in done.err
    assert "WARNING" not in done.err


def test_compiling_can_be_left_out_or_insisted_on(tmp_path: Path, models: Library) -> None:
    command = CommandLine(str(tmp_path))
    native = command.json("publish", models.path("churn"), "--name", "churn", "--compile", "never")
    assert (native["runtime"], native["not_compiled"]) == ("native", None)
    words = ("publish", models.path("params"), "--name", "params", "--trust", "pickle")
    said = command(*words, "--alias", "champion", "--json")
    told = json.loads(said.out)
    assert (told["runtime"], told["version"]) == ("native", "1")
    assert "warning: Functions activate params version 1 only with MODEL_TRUST=pickle. " in said.err
    refused = command.json(*words, "--compile", "require", code=1)
    assert refused["error_code"] == "NOT_COMPILED"


def test_a_pickled_model_needs_the_operators_trust(tmp_path: Path, models: Library) -> None:
    command = CommandLine(str(tmp_path))
    words = ("publish", models.path("churn_cloudpickle"), "--name", "churn")
    assert command.json(*words, code=1)["error_code"] == "VERSION_REFUSED"
    assert command.json(*words, "--trust", "pickle")["version"] == "1"


def test_a_model_without_a_signature_is_refused_with_the_way_out(tmp_path: Path, models: Library) -> None:
    command = CommandLine(str(tmp_path))
    refused = command("publish", models.path("no_signature"), "--name", "churn", code=1)
    assert refused.out == ""
    assert "publish it with --data FILE" in refused.err
    assert command.json("versions", "churn", code=1)["error_code"] == "NOT_FOUND"


def test_a_signature_is_inferred_from_a_sample_and_published_with_the_model(tmp_path: Path, models: Library) -> None:
    sample = tmp_path / "rows.csv"
    sample.write_text("contract,tenure,monthlycharges\none_year,41,79.85\ntwo_year,60,20.5\n")
    command = CommandLine(str(tmp_path / "store"))
    result = command.json("publish", models.path("no_signature"), "--name", "churn", "--data", sample)
    assert result["signature_inferred"] is True
    inputs = command.json("show", "churn/versions/1")["manifest"]["signature"]["inputs"]
    assert [(column["name"], column["type"]) for column in inputs] == [
        ("contract", "string"),
        ("tenure", "long"),
        ("monthlycharges", "double"),
    ]
    files = [file["path"] for file in command.json("show", "churn/versions/1")["manifest"]["files"]]
    profile = decode_profile((tmp_path / "store/models/churn/versions/1" / FILE).read_bytes())
    assert FILE in files
    assert (profile.rows, list(profile.columns)) == (2, ["contract", "tenure", "monthlycharges"])
    assert "prediction" in profile.predictions
    assert command.json("drift", "churn", "--against", "1", "--data", sample)["drift"] is False
    copy = tmp_path / "store/models/churn/versions/1/MLmodel"
    assert "signature" in copy.read_text()
    assert "signature: null" not in copy.read_text()
    assert "monthlycharges" not in (models.path("no_signature") / "MLmodel").read_text()


@pytest.mark.parametrize(
    ("model", "words", "code"),
    [
        ("raising", ("--trust", "pickle", "--data"), "VALIDATION_FAILED"),
        ("ride_duration", ("--data",), "SIGNATURE_MISMATCH"),
        ("churn", ("--positive-class", "maybe"), "VALIDATION_FAILED"),
        ("linear10", ("--positive-class", "yes"), "VALIDATION_FAILED"),
    ],
)
def test_a_model_that_cannot_serve_is_refused_before_anything_is_uploaded(
    model: str, words: tuple[str, ...], code: str, tmp_path: Path, models: Library
) -> None:
    sample = tmp_path / "rows.json"
    sample.write_text(json.dumps([{"x": 1.0, "marked": True}]))
    given = [*words, sample] if words[-1] == "--data" else words
    command = CommandLine(str(tmp_path / "store"))
    assert command.json("publish", models.path(model), "--name", "m", *given, code=1)["error_code"] == code
    assert not (tmp_path / "store" / "models").exists()


def test_a_model_that_does_not_answer_each_row_of_its_sample_is_refused(tmp_path: Path, models: Library) -> None:
    refused = CommandLine(str(tmp_path)).json("publish", models.path("text_series"), "--name", "text", code=1)
    assert refused["error_code"] == "VALIDATION_FAILED"
    assert refused["message"].startswith("The model gave 1 answer to 4 rows of its sample. A text step read the table")


@pytest.mark.parametrize("rows", [0, 1])
def test_a_sample_of_one_row_or_none_hides_no_model_that_reads_only_names(
    tmp_path: Path, models: Library, rows: int
) -> None:
    copy = models.copy("text_series", tmp_path / "model")
    for example in copy.glob("*input_example*"):
        example.unlink()
    (tmp_path / "one.json").write_text('[{"text": "free offer"}]')
    data = ("--data", tmp_path / "one.json") if rows else ()
    command = CommandLine(str(tmp_path / "store"))
    refused = command.json("publish", copy, "--name", "text", "--compile", "never", *data, code=1)
    assert refused["message"].startswith("The model gave 1 answer to 3 rows. A text step read the table")


def test_a_model_whose_rows_depend_on_each_other_is_served_unmerged_or_refused(
    tmp_path: Path, objects: Objects, models: Library
) -> None:
    command = CommandLine(str(tmp_path))
    words = ("publish", models.path("dropping"), "--name", "dropping", "--trust", "pickle")
    reason = "The model gave 4 answers to 5 rows when a row has nulls; such a row will get no answer."
    refused = command.json(*words, "--merge", "require", code=1)
    assert refused["error_code"] == "NOT_MERGED"
    assert refused["message"].endswith(reason)
    done = command(*words)
    assert f"warning: each request is scored by itself: {reason}" in done.err
    assert command.json("show", "dropping/1")["manifest"]["runtime"] == {"kind": "native", "merges": False}
    command("publish", models.path("churn"), "--name", "churn", "--compile", "never", "--merge", "require")
    assert command.json("show", "churn/1")["manifest"]["runtime"] == {"kind": "native", "merges": True}


def test_a_source_that_is_no_model_says_what_it_holds(tmp_path: Path) -> None:
    command = CommandLine(str(tmp_path / "store"))
    (tmp_path / "notes.txt").write_text("nothing")
    assert "it contains notes.txt" in command("publish", tmp_path, "--name", "m", code=1).err
    assert "set MLFLOW_TRACKING_URI" in command("publish", "runs:/0/model", "--name", "m", code=1).err
    assert "nothing is there" in command("publish", tmp_path / "nowhere", "--name", "m", code=1).err


def test_a_bucket_that_is_not_there_is_told_before_anything_is_fetched(gcs: BucketServer, tmp_path: Path) -> None:
    ours = processes.with_sources({"STORAGE_EMULATOR_HOST": gcs.url})
    refused = CommandLine("gs://never-made", ours)("publish", tmp_path / "nowhere", "--name", "m", code=1)
    assert refused.err == "modelserve: The bucket of --store does not exist; publish does not create it.\n"


def test_a_run_that_mlflow_does_not_know_is_refused_in_its_words(tmp_path: Path) -> None:
    tracking = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    refused = CommandLine(str(tmp_path / "store"), tracking).json("publish", "runs:/0/model", "--name", "m", code=1)
    assert refused["error_code"] == "SOURCE_UNUSABLE"
    assert "MLflow cannot resolve runs:/0/model" in refused["message"]


def test_misuse_exits_with_2(tmp_path: Path, models: Library) -> None:
    command = CommandLine(str(tmp_path))
    command("publish", models.path("churn"), code=2)
    command("publish", models.path("churn"), "--name", "../up", code=2)
    command("publish", models.path("churn"), "--name", "churn", "--threshold", "0.5", code=2)
    command("promote", "churn", "one", code=2)


@pytest.mark.parametrize("label", ["error", "model", "version", ""])
def test_a_label_that_a_batch_could_not_hold_is_refused(tmp_path: Path, models: Library, label: str) -> None:
    words = ("publish", models.path("churn"), "--name", "churn", "--label", label)
    error = CommandLine(str(tmp_path)).json(*words, code=2)
    assert "label" in error["message"]


@pytest.mark.parametrize(
    "words", [("publish", ".", "--name", "x"), ("versions", "x"), ("score", "x@y", "in.csv", "out.parquet")]
)
def test_a_store_that_is_not_there_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    nowhere = tmp_path / "typo" / "store"
    error = CommandLine(str(nowhere)).json(*words, code=1)
    assert f"--store {nowhere} does not exist" in error["message"]
    assert not nowhere.parent.exists()
