from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

from modelserve.events.publisher import MAX_KEY, MAX_VALUE
from modelserve.events.results import ResultsBucket, make_result, prediction_id, shorten_key


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
    assert shorten_key(key) == key


@pytest.mark.parametrize("key", ["k" * (MAX_KEY + 1), "é" * (MAX_KEY // 2 + 1)])
def test_a_longer_ordering_key_is_replaced_by_its_digest(key: str) -> None:
    assert len(shorten_key(key)) == 64
    assert shorten_key(key) != shorten_key(key + "x")


def test_attributes_of_a_prediction_event_are_within_their_limit() -> None:
    result = make_result("m", "1", {}, "k", "é" * MAX_VALUE, 0)
    assert result.attributes["source_message_id"] == "é" * (MAX_VALUE // 2)
    assert result.prediction_id == prediction_id("é" * MAX_VALUE, 0)


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
