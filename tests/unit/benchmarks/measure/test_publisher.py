"""Every event counts once, and only if its prediction is right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.measure import publisher
from benchmarks.measure.publisher import pull_predictions
from benchmarks.servers.storage import BUCKET
from modelserve_control.local import emulators, resources
from modelserve_control.local.resources import Names

NAMES = Names("benchmark", BUCKET)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with emulators.pubsub(tmp_path_factory.mktemp("pubsub")) as host:
        resources.make_topics(host, NAMES)
        yield host


def answer(host: str, *ids: str) -> None:
    """Publish predictions with these ids like the event function."""
    messages = [{"data": b"{}", "attributes": {"prediction_id": own}} for own in ids]
    with resources.publisher(host) as client:
        client.publish(request={"topic": NAMES.predictions, "messages": messages})


def test_a_redelivered_prediction_is_counted_once_and_an_older_one_not_at_all(host: str) -> None:
    answer(host, "1", "older", "2", "1", "3")
    with resources.subscriber(host) as subscriber:
        found = [own for own, _ in pull_predictions(subscriber, NAMES.predictions_pull, {"1", "2", "3"})]
    assert sorted(found) == ["1", "2", "3"]


def test_the_error_counts_missing_predictions(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "MAX_SECONDS", -1.0)
    with (
        resources.subscriber(host) as subscriber,
        pytest.raises(publisher.WrongPrediction, match="0 of 2 predictions arrived"),
    ):
        list(pull_predictions(subscriber, NAMES.predictions_pull, {"1", "2"}))
