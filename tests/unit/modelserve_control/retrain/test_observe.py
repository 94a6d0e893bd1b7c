"""What is known of the version in use: since when, and until when a window reaches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from modelserve.core.errors import NotFound
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.alias import Alias
from modelserve_control.common.errors import RetrainingUnderWay
from modelserve_control.common.progress import Lines
from modelserve_control.deploy.release.journal import object_name
from modelserve_control.registry.catalog import open_store
from modelserve_control.registry.documents import encode
from modelserve_control.retrain import journal as journals
from modelserve_control.retrain.observe import Observer, window_end
from modelserve_control.retrain.policy import ErrorSection

PUBLISHED = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def observer(tmp_path: Path) -> Iterator[Observer]:
    with open_store(str(tmp_path / "store"), new=True) as objects:
        yield Observer(objects, "rides", "champion", str(tmp_path / "store"), "strict", Lines())


@pytest.mark.parametrize(
    ("name", "window", "end"),
    [
        ("2026-03-01T23", "hour", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-02-28", "day", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-02-26", "week", datetime(2026, 3, 5, tzinfo=UTC)),
        ("2026-12", "month", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_window_ends_where_the_next_begins(name: str, window: str, end: datetime) -> None:
    assert window_end(name, window) == end


def test_the_last_training_is_one_that_was_published_released_or_not(observer: Observer) -> None:
    assert observer.last_training(PUBLISHED) == PUBLISHED
    failed = journals.begin(observer.objects, "rides")
    failed.end("stopped", "no rows today")
    assert observer.last_training(PUBLISHED) == PUBLISHED
    refused = journals.begin(observer.objects, "rides")
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
    first = journals.begin(objects, "rides")
    with pytest.raises(RetrainingUnderWay, match="has been retraining rides since"):
        journals.begin(objects, "rides")
    journals.abort(objects, "rides")
    second = journals.begin(objects, "rides")
    with pytest.raises(Exception, match="was aborted by another process"):
        first.add("train")
    second.end("released", "better")
    ended = [info.name for info in objects.list("releases/models/rides/") if "-retrain-" in info.name]
    assert len(ended) == 2
