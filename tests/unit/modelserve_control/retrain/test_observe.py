"""What is known of the version in use: since when, and until when a window reaches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelserve.core.errors import NotFound
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.alias import Alias
from modelserve_control.common.errors import NothingCompared, RetrainingUnderWay
from modelserve_control.common.progress import Lines
from modelserve_control.deploy.release.journal import object_name
from modelserve_control.monitor.tables import Columns
from modelserve_control.registry.catalog import open_store
from modelserve_control.registry.documents import encode
from modelserve_control.retrain import journal as journals
from modelserve_control.retrain.journal import RetrainJournal
from modelserve_control.retrain.observe import Observer, measure_table
from modelserve_control.retrain.policy import ErrorSection

PUBLISHED = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def observer(tmp_path: Path) -> Iterator[Observer]:
    with open_store(str(tmp_path / "store"), new=True) as objects:
        yield Observer(objects, "rides", "champion", str(tmp_path / "store"), "strict", Lines())


def begin(objects: Objects) -> RetrainJournal:
    found = journals.begin(objects, "rides", journals.read_generation(objects, "rides"))
    assert found is not None
    return found


def test_the_last_training_is_one_that_was_published_released_or_not(observer: Observer) -> None:
    assert observer.last_training(PUBLISHED) == PUBLISHED
    failed = begin(observer.objects)
    failed.end("stopped", "no rows today")
    assert observer.last_training(PUBLISHED) == PUBLISHED
    refused = begin(observer.objects)
    refused.add("publish", version="2")
    refused.end("stopped", "worse")
    assert observer.last_training(PUBLISHED) == datetime.fromisoformat(refused.document["started_at"])


@pytest.mark.parametrize(
    ("reason", "steps", "figure", "expected"),
    [
        ("release 7", [{"step": "compare", "target": {"b": {"figures": {"rmse": 3.5}}}}], "rmse", 3.5),
        ("release 7: retraining x", [{"step": "compare", "target": {"b": {"figures": {"auc": 0.75}}}}], "auc", 0.25),
        ("release 7", [{"step": "compare", "target": {"b": {"figures": {"auc": 0.75}}}}], "rmse", None),
        ("release 7", [{"step": "compare", "target": None}], "rmse", None),
        ("release 7", [{"step": "compare", "with": None}], "rmse", None),  # the first version
        ("release 8", [], "rmse", None),
        ("by hand", [], "rmse", None),
    ],
)
def test_the_error_at_the_release_is_what_its_comparison_has_measured(
    observer: Observer, reason: str, steps: list[Any], figure: Any, expected: float | None
) -> None:
    record = {"id": "7", "name": "rides", "version": "2", "alias": "champion", "started_at": "", "outcome": "promoted"}
    observer.objects.write(object_name("rides", "7"), encode(record | {"steps": steps}), 0)
    alias = Alias(version="2", manifest_sha256="0" * 64, reason=reason)
    assert observer.released_error(alias, ErrorSection(figure=figure, max=1.0, target="y")) == expected


def test_of_two_one_waits_until_the_other_has_ended(observer: Observer) -> None:
    objects: Objects = observer.objects
    with pytest.raises(NotFound):
        journals.abort(objects, "rides")
    first = begin(objects)
    with pytest.raises(RetrainingUnderWay, match="has been retraining rides since"):
        begin(objects)
    journals.abort(objects, "rides")
    second = begin(objects)
    with pytest.raises(Exception, match="was aborted by another process"):
        first.add("train")
    second.end("released", "better")
    ended = [info.name for info in objects.list("releases/models/rides/") if "-retrain-" in info.name]
    assert len(ended) == 2


def test_a_decision_of_before_another_retraining_does_not_begin_one(observer: Observer) -> None:
    decided_at = journals.read_generation(observer.objects, "rides")
    begin(observer.objects).end("released", "better")
    assert journals.begin(observer.objects, "rides", decided_at) is None
    begin(observer.objects)


def test_only_rows_of_windows_that_count_are_scored() -> None:
    days = np.array(["2026-02-27", "2026-03-01", "2026-02-28", "2026-03-02"], dtype="datetime64[us]")
    columns = {"at": days, "y": np.array([1.0, 2.0, 3.0, 4.0])}
    seen = []

    def score(part: Columns, rows: int) -> Columns:
        seen.append((part["y"].tolist(), rows))
        return {"prediction": part["y"] + 0.5 * np.arange(1, rows + 1)}

    section = ErrorSection(figure="rmse", max=1.0, target="y", data=["a.parquet"], time="at")
    found = dict(measure_table(section, columns, PUBLISHED, score, None))
    assert seen == [([2.0, 4.0], 2)]
    assert {day: one["figures"]["rmse"] for day, one in found.items()} == {"2026-03-01": 0.5, "2026-03-02": 1.0}
    with pytest.raises(
        NothingCompared, match="rows end before the training of 2027-01-01, so they say nothing of this"
    ):
        list(measure_table(section, columns, datetime(2027, 1, 1, tzinfo=UTC), score, None))
    assert len(seen) == 1
