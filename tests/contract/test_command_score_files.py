"""`modelserve score`: its files, its refusals, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batches import BAD, GOOD, Batches, scored
from bucket_server import BucketServer
from command_line import CommandLine, finish
from faults.proxy import wait_for
from http_server import WAIT_SECONDS
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from stores import NUMBERS, put

if TYPE_CHECKING:
    from models.library import Library


@pytest.fixture
def batch(models: Library, tmp_path: Path) -> Batches:
    return Batches(models, tmp_path, "compiled")


@pytest.mark.parametrize(
    ("rows", "words", "code"),
    [
        ([{"contract": "one_year", "tenure": 1}], (), "SIGNATURE_MISMATCH"),
        ([GOOD], ("--method", "transform"), "UNKNOWN_METHOD"),
        ([GOOD, *BAD], ("--max-errors", 3, "--batch-rows", 2), "TOO_MANY_ERRORS"),
        ('contract,tenure,monthlycharges\none_year,41,79.85\n"one', (), "MALFORMED_REQUEST"),
        ("contract,tenure,tenure\n", (), "MALFORMED_REQUEST"),
        ("", (), "MALFORMED_REQUEST"),
        ([GOOD], ("--trust", "strict"), "VERSION_REFUSED"),
    ],
)
def test_a_refused_batch_leaves_nothing(
    batch: Batches, tmp_path: Path, rows: Any, words: Sequence[Any], code: str
) -> None:
    model = "churn"
    if code == "VERSION_REFUSED":
        model, batch = "churn_pickle", replace(batch, runtime="native")
    assert batch(model, rows, *words, code=1)["error_code"] == code
    assert {path.name for path in tmp_path.iterdir()} <= {f"store-{model}", "in.parquet", "in.csv"}


def test_as_many_errors_as_allowed_are_no_reason_to_stop(batch: Batches) -> None:
    assert batch("churn", [GOOD, *BAD], "--max-errors", 4, "--batch-rows", 2)["failed"] == 4


def test_an_output_that_is_there_is_replaced_only_when_asked(batch: Batches, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    output.write_text("mine")
    assert batch("churn", [GOOD], code=1)["error_code"] == "OUTPUT_EXISTS"
    assert output.read_text() == "mine"
    batch("churn", [GOOD], "--overwrite")
    assert len(scored(output)) == 1


def test_misuse_exits_with_2(tmp_path: Path, models: Library) -> None:
    command = CommandLine("", {"MODELSERVE_STORE": ""})
    (tmp_path / "in.csv").write_text("x\n1\n")
    for words in (("in.csv", "out.csv"), ("in.xlsx", "out.parquet"), ("in.csv", "gs://bucket/models/m/out.parquet")):
        places = [word if word.startswith("gs:") else tmp_path / word for word in words]
        command("score", models.path("framed"), *places, "--trust", "pickle", code=2)
    refused = command("score", "churn@champion", tmp_path / "in.csv", tmp_path / "out.parquet", code=2)
    assert "--store" in refused.err
    missing = command("score", models.path("framed"), tmp_path / "no.csv", tmp_path / "out.parquet", code=1)
    assert "There is no file" in missing.err


def test_the_counts_are_said_to_a_person_and_progress_goes_to_stderr(tmp_path: Path, models: Library) -> None:
    (tmp_path / "in.csv").write_text("x,marked\n1,false\n2,true\n")
    words = ("score", models.path("raising"), tmp_path / "in.csv", tmp_path / "out.parquet", "--trust", "pickle")
    done = CommandLine(str(tmp_path), cold=True)(*words)
    assert done.out.startswith("raising version unversioned: 2 rows, 1 scored, 1 failed in ")
    assert "scored 2 of 2 rows" in done.err
    assert "secret" not in done.out + done.err


def test_a_stopped_batch_leaves_nothing(tmp_path: Path, models: Library) -> None:
    gate = tmp_path / "gate"
    model = models.slow(gate)
    (tmp_path / "in.csv").write_text("x,seconds\n1,0\n")
    (tmp_path / "out").mkdir()
    words = ("score", model, tmp_path / "in.csv", tmp_path / "out" / "out.parquet", "--trust", "pickle")
    with CommandLine(str(tmp_path)).started(*words) as process:
        wait_for(lambda: gate.with_name("gate.calls").exists() or process.poll() is not None, WAIT_SECONDS)
        process.terminate()
        gate.touch()  # the model is retired after its last call
        finish(process, code=130)
    assert not list((tmp_path / "out").iterdir())


def test_model_input_and_output_may_be_in_a_bucket(
    gcs: BucketServer, models: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    store, data = (gcs.bucket(f"score-{next(NUMBERS)}") for _ in range(2))
    command = CommandLine(store, {"STORAGE_EMULATOR_HOST": gcs.url})
    objects, files = open_objects(parse_store(store)), open_objects(parse_store(data))
    put(objects, "churn", models.path("churn"))
    (tmp_path / "in.csv").write_text("contract,tenure,monthlycharges\none_year,41,79.85\n")
    files.create("day/in.csv", tmp_path / "in.csv")
    words = ("score", f"{store}/models/churn/versions/1", f"{data}/day/in.csv", f"{data}/day/out.parquet")
    assert command.json(*words)["scored"] == 1
    assert command.json(*words, code=1)["error_code"] == "OUTPUT_EXISTS"
    assert command.json(*words, "--overwrite")["scored"] == 1
    assert (
        command.json("score", "churn/versions/1", f"{data}/no.csv", f"{data}/o.parquet", code=1)["error_code"]
        == "NOT_FOUND"
    )
    nowhere = command.json("score", "churn/1", tmp_path / "in.csv", "gs://no-such-bucket/o.parquet", code=1)
    assert nowhere["message"] == "There is no bucket for gs://no-such-bucket/o.parquet."
    command("score", "churn/1", f"{data}/day/in.csv", tmp_path / "out.parquet")
    assert {info.name for info in files.list("")} == {"day/in.csv", "day/out.parquet"}
    size = files.stat("day/out.parquet")
    assert size is not None
    with (tmp_path / "copy.parquet").open("wb") as copy:
        files.read_range(size, 0, size.size, copy.write)
    assert scored(tmp_path / "copy.parquet") == scored(tmp_path / "out.parquet")
    objects.close()
    files.close()
