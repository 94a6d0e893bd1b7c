from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from modelserve.core.errors import BadSetting, PublishFailed
from modelserve.core.settings import Settings
from modelserve.events.results import (
    MAX_ATTRIBUTES,
    MAX_KEY,
    MAX_VALUE,
    Results,
    ResultsBucket,
    make_letter,
    make_result,
    prediction_id,
    shorten,
    topic_path,
)
from modelserve_control.local import resources
from pubsub_host import NAMES, host, pull

__all__ = ["host"]


def test_a_prediction_id_depends_only_on_the_message_and_the_place() -> None:
    first = make_result("m", "1", {"y": 1.5}, "k", "message", 3)
    again = make_result("other", "2", {"y": 9}, "l", "message", 3)
    assert first.prediction_id == again.prediction_id == prediction_id("message", 3)
    ids = {prediction_id(message, place) for message in ("1", "11", "message") for place in (0, 1, 11)}
    assert len(ids) == 9


def test_a_result_is_a_prediction_event() -> None:
    result = make_result("ride", "7", {"duration": 21.3, "ride_id": 256}, "256", "m1", 0)
    own = prediction_id("m1", 0)
    assert json.loads(result.body) == {
        "model": "ride",
        "version": "7",
        "prediction": {"duration": 21.3, "ride_id": 256},
        "prediction_id": own,
    }
    assert result.ordering_key == "256"
    assert result.attributes == {
        "model_name": "ride",
        "model_version": "7",
        "source_message_id": "m1",
        "prediction_id": own,
    }


@pytest.mark.parametrize("key", ["", "256", "k" * MAX_KEY, "é" * (MAX_KEY // 2)])
def test_an_ordering_key_within_its_limit_is_kept(key: str) -> None:
    assert shorten(key) == key


@pytest.mark.parametrize("key", ["k" * (MAX_KEY + 1), "é" * (MAX_KEY // 2 + 1)])
def test_a_longer_ordering_key_is_replaced_by_its_digest(key: str) -> None:
    assert len(shorten(key)) == 64
    assert shorten(key) != shorten(key + "x")


def test_attributes_of_a_prediction_event_are_within_their_limit() -> None:
    result = make_result("m", "1", {}, "k", "é" * MAX_VALUE, 0)
    assert result.attributes["source_message_id"] == "é" * (MAX_VALUE // 2)
    assert result.prediction_id == prediction_id("é" * MAX_VALUE, 0)


def test_a_topic_is_named_in_full_or_in_the_project() -> None:
    assert topic_path("projects/p/topics/t", "", "X") == "projects/p/topics/t"
    assert topic_path("t", "p", "X") == "projects/p/topics/t"
    with pytest.raises(BadSetting, match="PREDICTIONS_TOPIC is not set"):
        topic_path("", "p", "PREDICTIONS_TOPIC")
    with pytest.raises(BadSetting, match="names no project and GOOGLE_CLOUD_PROJECT is not set"):
        topic_path("t", "", "PREDICTIONS_TOPIC")


@pytest.fixture
def results(host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Results:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    values = {"PREDICTIONS_TOPIC": "predictions", "DEAD_LETTER_TOPIC": "dead-letter", "GOOGLE_CLOUD_PROJECT": "p"}
    return Results(Settings.from_environ(values | {"RESULTS_BUCKET": str(tmp_path)}))


def test_a_redelivered_message_publishes_the_result_that_was_stored_first(
    results: Results, host: str, tmp_path: Path
) -> None:
    first, second = (make_result("ride", version, {"y": 1}, "k", "m1", 0) for version in ("1", "2"))
    asyncio.run(results.publish("ride", first))
    asyncio.run(results.publish("ride", second))
    bodies = [message.data for message in pull(host, NAMES.predictions_pull, 2)]
    assert bodies == [first.body, first.body]
    assert (tmp_path / "results" / "ride" / f"{first.prediction_id}.json").read_bytes() == first.body


def test_a_dead_letter_keeps_its_attributes_within_the_limits_and_tells_why(results: Results, host: str) -> None:
    attributes = {"googclient_x": "1", "": "2", **{f"k{n}": "v" for n in range(MAX_ATTRIBUTES)}}
    reason = {"error_code": "BAD", "error_message": "é" * MAX_VALUE}
    asyncio.run(results.dead_letter([make_letter(b"data", attributes, reason)]))
    (message,) = pull(host, NAMES.dead_letter_pull)
    assert message.data == b"data"
    assert len(message.attributes) == MAX_ATTRIBUTES
    assert message.attributes["error_code"] == "BAD"
    assert message.attributes["error_message"] == "é" * (MAX_VALUE // 2)
    assert not {"googclient_x", ""} & set(message.attributes)


def test_a_dead_letter_too_large_for_pubsub_says_what_it_was(results: Results, host: str) -> None:
    largest = make_letter(b"x" * 9_980_000, {"team": "rides"}, {})
    assert len(largest.data) == 9_980_000
    with resources.publisher(host) as topics:  # nobody subscribes to it
        topics.create_topic(name="projects/p/topics/large")
    asyncio.run(results.publisher.publish("projects/p/topics/large", [(largest.data, largest.attributes)]))

    data = b"x" * 10_000_000
    asyncio.run(results.dead_letter([make_letter(data, {"team": "rides"}, {"error_code": "TOO_LARGE"})]))
    (cut,) = pull(host, NAMES.dead_letter_pull)
    assert cut.data == data[:1_000_000]
    digest = hashlib.sha256(data).hexdigest()
    said = {"team": "rides", "error_code": "TOO_LARGE", "truncated": "true"}
    assert dict(cut.attributes) == said | {"data_bytes": "10000000", "data_sha256": digest}


def test_a_result_in_a_bucket_is_created_once(tmp_path: Path) -> None:
    bucket = ResultsBucket(str(tmp_path))
    first = make_result("m", "1", {"y": 1}, "k", "m1", 0)
    assert asyncio.run(bucket.keep("m", first)) == first
    later = make_result("m", "2", {"y": 2}, "k", "m1", 0)
    assert asyncio.run(bucket.keep("m", later)) == dataclasses.replace(later, body=first.body)


def test_a_result_of_some_megabytes_is_read_again(tmp_path: Path) -> None:
    bucket = ResultsBucket(str(tmp_path))
    first = make_result("m", "1", {"y": "x" * (2 << 20)}, "k", "m1", 0)
    for _ in range(2):
        assert asyncio.run(bucket.keep("m", first)) == first


def test_without_a_dead_letter_topic_and_a_bucket_results_are_only_published(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    made = Results(Settings.from_environ({"PREDICTIONS_TOPIC": NAMES.predictions}))
    assert (made.dead_letters, made.bucket, made.predictions) == ("", None, NAMES.predictions)
    result = make_result("m", "1", {"y": 1}, "k", "m1", 0)
    asyncio.run(made.publish("m", result))
    assert [message.data for message in pull(host, NAMES.predictions_pull)] == [result.body]


@pytest.mark.parametrize("ordered", ["true", "false"])
def test_the_results_of_a_message_are_all_published_with_their_key_unless_order_is_given_up(
    host: str, monkeypatch: pytest.MonkeyPatch, ordered: str
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    values = {"PREDICTIONS_TOPIC": NAMES.predictions, "ORDERED_PREDICTIONS": ordered}
    made = Results(Settings.from_environ(values))
    results = [make_result("m", "1", {"y": place}, f"k{place}", "m1", place) for place in range(3)]
    asyncio.run(made.publish_all("m", results))
    found = pull(host, NAMES.predictions_pull, len(results))
    wanted = {one.body: (one.ordering_key if ordered == "true" else "", one.attributes) for one in results}
    assert {one.data: (one.ordering_key, dict(one.attributes)) for one in found} == wanted


def test_a_message_whose_results_are_not_all_accepted_comes_again(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    for ordered in ("true", "false"):
        topic = {"PREDICTIONS_TOPIC": "projects/p/topics/gone", "ORDERED_PREDICTIONS": ordered}
        made = Results(Settings.from_environ(topic))
        results = [make_result("m", "1", {"y": place}, f"k{place}", "m1", place) for place in range(3)]
        with pytest.raises(PublishFailed):
            asyncio.run(made.publish_all("m", results))
