from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bucket_server import BucketServer
from modelserve.core.errors import EnvironmentMismatch, ModelFailed, StoreUnavailable, VersionRefused, VersionUnusable
from modelserve.core.settings import Settings
from modelserve.models.loader import load
from modelserve.models.scorers.batching import BatchingScorer
from modelserve.models.version import Loaded, StepTimer
from modelserve.models.warmup import TOLERANCE, as_version_error, dependence, warm
from modelserve.schema.batch import Batch
from modelserve.store.buckets.open import open_objects
from modelserve.store.download.cache import private_parent
from modelserve.store.download.staging import create
from modelserve.store.names import locations
from modelserve.store.versions.resolve import resolve
from modelserve_control.registry.promote import promote
from stores import put
from tiny import Tiny

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow and its flavors deprecate is not ours to mend


def load_version(uri: object, **more: str) -> Loaded:
    location = locations.parse(str(uri))
    values = {"MODEL_URI": str(uri), "MODEL_TRUST": "pickle", **more}
    with closing(open_objects(location)) as objects:
        return load(resolve(location, objects), objects, Settings.from_environ(values))


def test_a_directory_is_loaded_under_its_name_and_timed(models: Library) -> None:
    made = load_version(models.path("churn"))
    assert (made.name, made.version, made.alias, made.digest) == ("churn", "unversioned", None, None)
    assert list(made.times) == ["fetch", "import", "load", "warm"]
    assert made.signature is not None
    made.retire()
    assert isinstance(made.scorer, BatchingScorer)
    assert not made.scorer._thread.is_alive()
    named = load_version(models.path("churn"), MODEL_NAME="own")
    assert named.name == "own"
    named.retire()


def test_a_version_of_a_store_has_its_manifests_name_number_and_presentation(models: Library, tmp_path: Path) -> None:
    from serving import release

    presentation = {"positive_class": "yes", "threshold": 0.25, "label": "churn"}
    release(tmp_path / "store", "telco", models.path("churn"), presentation)
    made = load_version(f"{tmp_path}/store/models/telco@champion", MODEL_NAME="ignored")
    assert (made.name, made.version, made.alias, len(made.digest or "")) == ("telco", "1", "champion", 64)
    assert (made.presentation.positive_class, made.presentation.threshold) == ("yes", 0.25)
    made.retire()


def test_what_was_downloaded_is_removed_when_the_version_is_retired_and_when_it_fails(
    models: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcs: BucketServer
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    store = gcs.bucket("private")
    for name in ("churn", "churn_pickle"):
        upload(store, name, models.path(name))
    made = load_version(f"{store}/models/churn@champion")
    assert len(list(tmp_path.rglob("model.skops"))) == 1
    made.retire()
    with pytest.raises(VersionRefused):
        load_version(f"{store}/models/churn_pickle@champion", MODEL_TRUST="strict")
    assert [path for parent in tmp_path.iterdir() for path in parent.iterdir()] == []


def test_what_a_killed_process_left_is_removed_at_the_next_start(
    models: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcs: BucketServer
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    store = gcs.bucket("swept")
    upload(store, "churn", models.path("churn"))
    living, handle = create(private_parent())
    dead, lock = create(private_parent())
    os.close(lock)
    load_version(f"{store}/models/churn@champion").retire()
    assert (living.exists(), dead.exists()) == (True, False)
    os.close(handle)


def test_a_private_directory_that_others_can_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    private_parent().chmod(0o777)
    with pytest.raises(StoreUnavailable, match="open to others; set MODEL_CACHE_DIR"):
        private_parent()


def test_a_local_store_is_read_in_place_and_nothing_of_it_is_removed(
    models: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    directory = models.copy("churn", tmp_path / "m")
    for more in ({}, {"MODEL_CACHE_DIR": str(tmp_path / "cache")}):
        load_version(directory, **more).retire()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (directory / "model.skops").exists()


def test_a_version_in_a_cache_directory_goes_when_its_last_user_retires_it(
    models: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcs: BucketServer
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    store = gcs.bucket("kept")
    upload(store, "churn", models.path("churn"))
    uri = f"{store}/models/churn@champion"
    first, second = (load_version(uri, MODEL_CACHE_DIR=str(tmp_path)) for _ in range(2))
    first.retire()
    assert len(list(tmp_path.iterdir())) == 1
    assert second.files is not None
    second.files.close()  # as at exit: kept for the next start
    assert len(list(tmp_path.iterdir())) == 1
    load_version(uri, MODEL_CACHE_DIR=str(tmp_path)).retire()
    assert list(tmp_path.iterdir()) == []


def upload(store: str, name: str, directory: Path) -> None:
    with closing(open_objects(locations.parse_store(store))) as objects:
        promote(objects, name, put(objects, name, directory), "champion")


def test_a_difference_too_small_to_matter_is_a_warning(
    models: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = models.copy("churn", tmp_path / "m")
    (directory / "requirements.txt").write_text("numpy==2.0.0\n")
    logging.getLogger("modelserve").propagate = True
    load_version(directory).retire()
    assert "2.0.0" in caplog.text


def test_a_cache_directory_of_ones_own_is_kept(models: Library, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    made = load_version(models.path("churn"), MODEL_CACHE_DIR=str(tmp_path))
    made.retire()
    with pytest.raises(VersionRefused):
        load_version(models.path("churn_pickle"), MODEL_TRUST="strict", MODEL_CACHE_DIR=str(tmp_path))
    assert (tmp_path / "mine").exists()


def test_another_environment_is_refused_before_anything_is_loaded(models: Library, tmp_path: Path) -> None:
    directory = models.copy("churn", tmp_path / "m")
    requirements = directory / "requirements.txt"
    requirements.write_text("scikit-learn==0.1.2\n")
    with pytest.raises(EnvironmentMismatch, match=r"scikit-learn.*0\.1\.2"):
        load_version(directory)


def test_a_model_whose_file_is_broken_is_an_error_of_its_version(models: Library, tmp_path: Path) -> None:
    directory = models.copy("churn", tmp_path / "m")
    (directory / "model.skops").write_bytes(b"secret")
    with pytest.raises(VersionUnusable, match=r"^This version does not load: its flavor raised \w+\.$"):
        load_version(directory)


@pytest.mark.parametrize("example", ["nonsense", '{"inputs": {"contract": ["a"]}}', '{"secret": 1}'])
def test_an_example_that_does_not_fit_is_no_reason_to_refuse(
    models: Library, tmp_path: Path, example: str, caplog: pytest.LogCaptureFixture
) -> None:
    directory = models.copy("churn", tmp_path / "m")
    (directory / "serving_input_example.json").write_text(example)
    logging.getLogger("modelserve").propagate = True
    load_version(directory).retire()
    assert "the model is not warmed up" in caplog.text


def test_an_example_with_a_missing_number_warms_the_model(
    models: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = models.copy("optional", tmp_path / "m")
    row = {"when": "2026-01-02T03:04:05", "until": "NaT", "amount": float("nan"), "note": float("nan")}
    (directory / "input_example.json").write_text(json.dumps([row, row]))
    logging.getLogger("modelserve").propagate = True
    caplog.set_level(logging.INFO)
    made = load_version(directory)
    made.retire()
    assert "not warmed up" not in caplog.text
    assert made.runtime.mergeable


def test_a_sample_of_the_manifest_warms_the_model_and_must_fit(models: Library, tmp_path: Path) -> None:
    from modelserve.store.versions.manifest import Manifest
    from modelserve_control.common.progress import Lines
    from modelserve_control.publish.publish import file_entries, upload

    objects = open_objects(locations.parse_store(str(tmp_path / "store")))
    for sample in ({"x": 1.0, "marked": False}, {"x": 1.0, "marked": True}):
        draft = Manifest("m", "1", tuple(file_entries(models.path("raising"))), sample=(sample,))
        with (tmp_path / "log").open("w") as nowhere:
            version = upload(objects, draft, models.path("raising"), Lines(nowhere)).version
        promote(objects, "m", version, "champion")
    load_version(f"{tmp_path}/store/models/m/versions/1").retire()
    with pytest.raises(VersionUnusable, match=r"does not score its own sample: its flavor raised ValueError\.$"):
        load_version(f"{tmp_path}/store/models/m/versions/2")


def batch(*values: float) -> Batch:
    return Batch({"x": np.array(values)}, len(values))


def fail_alone(rows: Batch) -> Any:
    if rows.rows == 1:
        raise ValueError("alone")
    return rows.columns["x"]


@pytest.mark.parametrize(
    ("answer", "mergeable"),
    [
        (lambda rows: rows.columns["x"] * 2, True),
        (lambda rows: [{"y": value} for value in rows.columns["x"].tolist()], True),
        (lambda rows: rows.columns["x"] * np.nan, True),
        (lambda rows: rows.columns["x"] * (1 + rows.rows * TOLERANCE / 10), True),  # the last bits
        (lambda rows: rows.columns["x"] - rows.columns["x"].mean(), False),
        (lambda rows: np.sort(rows.columns["x"]), False),
        (lambda rows: rows.columns["x"].cumsum(), False),
        (lambda rows: {"sum": 1}, False),
        (lambda rows: [1.0], False),
        (lambda rows: rows.columns["x"][rows.columns["x"] != 2], False),
        (fail_alone, False),
    ],
)
@pytest.mark.parametrize("flavor", [True, False])
def test_requests_are_merged_only_when_each_row_has_its_answer_whatever_stands_beside_it(
    answer: Any, mergeable: bool, flavor: bool
) -> None:
    runtime = Tiny(answer, mergeable=flavor)
    warm(runtime, batch(1, 2, 4))
    assert runtime.mergeable is mergeable
    reason = dependence(runtime, batch(4, 2), {"predict": answer(batch(4, 2))}, {})
    assert (reason is None) is mergeable, reason


@pytest.mark.parametrize("merges", [True, False])
def test_what_publishing_found_out_is_not_tried_again(merges: bool) -> None:
    runtime = Tiny(mergeable=not merges)
    warm(runtime, batch(1, 2, 4), merges)
    assert (runtime.mergeable, runtime.sizes) == (merges, [3])


@pytest.mark.parametrize("sample", [None, batch()])
def test_without_a_sample_nothing_is_scored(sample: Batch | None) -> None:
    runtime = Tiny()
    warm(runtime, sample)
    assert runtime.sizes == []


def test_one_row_cannot_show_that_rows_are_independent() -> None:
    runtime = Tiny(mergeable=False)
    warm(runtime, batch(1))
    assert (runtime.mergeable, runtime.sizes) == (False, [1])


def test_every_method_is_warmed() -> None:
    runtime = Tiny(methods=("predict", "predict_proba"))
    warm(runtime, batch(1))
    assert [methods for methods, _ in runtime.seen] == [("predict", "predict_proba")]


def test_our_own_failures_pass_and_those_of_a_flavor_become_the_versions() -> None:
    with pytest.raises(ModelFailed, match=r"^ours$"), as_version_error("load"):
        raise ModelFailed("ours")
    refused = pytest.raises(VersionUnusable, match=r"^This version does not load: its flavor raised KeyError\.$")
    with refused, as_version_error("load"):
        raise KeyError("secret")


def test_laps_are_seconds_since_the_last_one() -> None:
    timer = StepTimer()
    time.sleep(0.002)
    timer.lap("one")
    timer.lap("two")
    assert timer.seconds["one"] >= 0.002
    assert timer.seconds["two"] >= 0
