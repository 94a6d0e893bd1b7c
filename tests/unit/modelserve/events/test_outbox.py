from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from modelserve.core.errors import MalformedRequest, PublishFailed, ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.envelopes import Message
from modelserve.events.outbox import Outbox, ScoredMessage
from modelserve.events.records import RejectedRecord
from modelserve.events.results import make_result
from pubsub_host import NAMES, host, pull

__all__ = ["host"]


class CountingMetrics(Metrics):
    def __init__(self) -> None:
        super().__init__(enabled=False)
        self.outcomes: list[tuple[str, float]] = []

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.outcomes.append((labels["outcome"], amount))


def make_outbox(settings: Mapping[str, str], metrics: Metrics | None = None) -> Outbox:
    outbox = Outbox(Settings.from_environ(settings), metrics or Metrics(enabled=False))
    outbox.connect()
    return outbox


@pytest.fixture
def outbox(host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Outbox:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    values = {"PREDICTIONS_TOPIC": "predictions", "DEAD_LETTER_TOPIC": "dead-letter", "GOOGLE_CLOUD_PROJECT": "p"}
    return make_outbox(values | {"RESULTS_BUCKET": str(tmp_path)})


def test_a_redelivered_message_publishes_the_result_that_was_stored_first(
    outbox: Outbox, host: str, tmp_path: Path
) -> None:
    first, second = (make_result("ride", version, {"y": 1}, "k", "m1", 0) for version in ("1", "2"))
    asyncio.run(outbox.publish("ride", [first]))
    asyncio.run(outbox.publish("ride", [second]))
    bodies = [message.data for message in pull(host, NAMES.predictions_pull, 2)]
    assert bodies == [first.body, first.body]
    assert (tmp_path / "results" / "ride" / f"{first.prediction_id}.json").read_bytes() == first.body


def test_without_a_dead_letter_topic_and_a_bucket_results_are_only_published(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    outbox = make_outbox({"PREDICTIONS_TOPIC": NAMES.predictions})
    assert (outbox.dead_letters, outbox.bucket, outbox.predictions) == ("", None, NAMES.predictions)
    result = make_result("m", "1", {"y": 1}, "k", "m1", 0)
    asyncio.run(outbox.publish("m", [result]))
    assert [message.data for message in pull(host, NAMES.predictions_pull)] == [result.body]


@pytest.mark.parametrize("ordered", ["true", "false"])
def test_the_results_of_a_message_are_all_published_with_their_key_unless_order_is_given_up(
    host: str, monkeypatch: pytest.MonkeyPatch, ordered: str
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    values = {"PREDICTIONS_TOPIC": NAMES.predictions, "ORDERED_PREDICTIONS": ordered}
    outbox = make_outbox(values)
    results = [make_result("m", "1", {"y": place}, f"k{place}", "m1", place) for place in range(3)]
    asyncio.run(outbox.publish("m", results))
    found = pull(host, NAMES.predictions_pull, len(results))
    wanted = {one.body: (one.ordering_key if ordered == "true" else "", one.attributes) for one in results}
    assert {one.data: (one.ordering_key, dict(one.attributes)) for one in found} == wanted


def test_a_message_whose_results_are_not_all_accepted_comes_again(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    for ordered in ("true", "false"):
        topic = {"PREDICTIONS_TOPIC": "projects/p/topics/gone", "ORDERED_PREDICTIONS": ordered}
        outbox = make_outbox(topic)
        results = [make_result("m", "1", {"y": place}, f"k{place}", "m1", place) for place in range(3)]
        with pytest.raises(PublishFailed):
            asyncio.run(outbox.publish("m", results))


def test_what_came_to_nothing_is_not_acked() -> None:
    outbox = Outbox(Settings.from_environ({}), Metrics(enabled=False))
    with pytest.raises(ServeError, match="must not be acked"):
        asyncio.run(outbox.deliver(Message(b"{}", "m1"), ScoredMessage("tiny", [], [])))


REJECTED = RejectedRecord(None, b"x", MalformedRequest("It is bad."))


@pytest.mark.parametrize(
    ("results", "rejected", "outcomes"),
    [
        (1, [], [("published", 1)]),
        (0, [REJECTED], [("dead_letter", 1)]),
        (2, [REJECTED, REJECTED], [("dead_letter", 2), ("published", 1)]),
    ],
)
def test_a_message_counts_as_published_only_with_a_prediction(
    host: str, monkeypatch: pytest.MonkeyPatch, results: int, rejected: Sequence[RejectedRecord], outcomes: object
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    metrics = CountingMetrics()
    outbox = make_outbox({"PREDICTIONS_TOPIC": NAMES.predictions, "DEAD_LETTER_TOPIC": NAMES.dead_letter}, metrics)
    made = [make_result("m", "1", {"y": 1}, "k", "m1", place) for place in range(results)]
    asyncio.run(outbox.deliver(Message(b"{}", "m1"), ScoredMessage("m", made, rejected)))
    assert metrics.outcomes == outcomes
    for subscription, count in ((NAMES.predictions_pull, results), (NAMES.dead_letter_pull, len(rejected))):
        assert not count or len(pull(host, subscription, count)) == count
