"""`retrain` to the end of its train command, which here only leaves a mark: what is refused before it, and what it records."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from modelserve.core.errors import BadSetting, NotFound
from modelserve.store.buckets.objects import Objects
from modelserve_control.common.errors import TrainingFailed
from modelserve_control.common.progress import Lines
from modelserve_control.registry.catalog import open_store
from modelserve_control.retrain import journal as journals
from modelserve_control.retrain.command import retrain as command
from modelserve_control.retrain.observe import Observer
from modelserve_control.retrain.run import RetrainOptions, end_on_error, retrain


@pytest.fixture(autouse=True)
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    with open_store(str(tmp_path / "store"), new=True) as found:
        yield found


@pytest.fixture
def options(tmp_path: Path) -> RetrainOptions:
    """Of a policy whose train command fails."""
    pq.write_table(pa.table({"miles": [1.0], "minutes": [2.0]}), tmp_path / "rows.parquet")
    (tmp_path / "thresholds.yaml").write_text("max_rmse_ratio: 1\n")
    rows = str(tmp_path / "rows.parquet")
    release = {"data": rows, "target": "minutes", "thresholds": str(tmp_path / "thresholds.yaml")}
    words = ["sh", "-c", f"touch {tmp_path}/trained; exit 1", "{model}"]
    document = {"train": words, "data": rows, "schedule": {"days": 1}, "release": release}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(document))
    return RetrainOptions("rides", str(tmp_path / "store"), tmp_path / "policy.yaml")


def change(options: RetrainOptions, section: str | None, **values: Any) -> None:
    document = yaml.safe_load(options.policy.read_text())
    (document[section] if section else document).update(values)
    options.policy.write_text(yaml.safe_dump(document))


def test_a_command_that_fails_is_recorded(objects: Objects, options: RetrainOptions, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed):
        retrain(objects, options, Lines())
    assert (tmp_path / "trained").exists()
    record = journals.read_current(objects, "rides")
    assert record is not None
    assert (record["outcome"], record["error_code"]) == ("stopped", "TRAINING_FAILED")


def test_one_that_is_asked_for_is_made_whatever_the_policy_says(
    objects: Objects, options: RetrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Observer, "history", None)  # nothing is measured for it
    with pytest.raises(TrainingFailed):
        retrain(objects, replace(options, now=True), Lines())
    record = journals.read_current(objects, "rides")
    assert record is not None
    assert record["reasons"] == [{"rule": "now", "met": True, "text": "it was asked for with --now"}]


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (None, {"data": "missing.parquet"}, "There is no file missing.parquet"),
        (None, {"data": "rows.xlsx"}, "rows.xlsx is none of them"),
        ("release", {"data": "missing.parquet"}, "There is no file missing.parquet"),
        ("release", {"target": "hours"}, "has no column hours; it has miles, minutes"),
        ("release", {"by": "place"}, "release.by: "),
        ("release", {"shadow_subscription": "projects/p"}, "release.shadow and release.shadow_subscription"),
    ],
)
def test_what_the_release_would_refuse_is_refused_before_the_training(
    objects: Objects, options: RetrainOptions, tmp_path: Path, section: str | None, values: Any, message: str
) -> None:
    change(options, section, **values)
    with pytest.raises((BadSetting, NotFound)) as refused:
        retrain(objects, options, Lines())
    assert message in refused.value.message
    assert not (tmp_path / "trained").exists()
    assert journals.read_current(objects, "rides") is None


def test_an_alias_that_no_release_may_move_is_refused_before_the_training(
    objects: Objects, options: RetrainOptions, tmp_path: Path
) -> None:
    with pytest.raises(BadSetting, match="A release uses the alias challenger itself"):
        retrain(objects, replace(options, alias="challenger"), Lines())
    assert not (tmp_path / "trained").exists()


def test_it_decides_again_when_somebody_has_trained_since_the_decision(
    objects: Objects, options: RetrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions = []

    def observe(observer: Observer, policy: Any) -> Any:
        """While the first decision is made, somebody else trains."""
        decisions.append(journals.read_generation(objects, "rides"))
        if len(decisions) == 1:
            other = journals.begin(objects, "rides", 0)
            assert other is not None
            other.end("released", "better")
        return history(observer, policy)

    history = Observer.history
    monkeypatch.setattr(Observer, "history", observe)
    with pytest.raises(TrainingFailed):
        retrain(objects, options, Lines())
    assert len(decisions) == 2
    assert decisions[0] == 0 < decisions[1]


def test_an_interrupt_after_the_outcome_leaves_it(objects: Objects) -> None:
    journal = journals.begin(objects, "rides", 0)
    assert journal is not None

    @end_on_error(journal)
    def work() -> None:
        journal.end("released", "better")
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()
    record = journals.read_current(objects, "rides")
    assert record is not None
    assert (record["outcome"], record["why"]) == ("released", "better")


@pytest.mark.parametrize("words", [("--newest", "1"), ("--svg", "a.svg"), ("--html", "a.html"), ("--overwrite",)])
def test_options_of_the_simulation_are_refused_without_it(options: RetrainOptions, words: tuple[str, ...]) -> None:
    given = ["rides", "--policy", str(options.policy), "--store", options.store, *words]
    found = CliRunner().invoke(command, given)
    assert (found.exit_code, f"{words[0]} is an option of --simulate." in found.output) == (2, True)
