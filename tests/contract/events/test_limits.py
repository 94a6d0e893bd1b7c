"""What is too long, too large, too slow or unforeseen ends in the dead letter topic or in time, and never for ever."""

from __future__ import annotations

import json
import socket

import pytest

from contract.events.conftest import RIDE_FIELDS
from contract.events.topics import RIDE, RIDE_EVENT, Topics, push_body
from serving import JSON, Functions, Served


def test_a_message_id_of_any_length_gets_its_prediction(rides: Served, topics: Topics) -> None:
    assert rides.post("/", push_body(RIDE_EVENT, "m" * 2_000)).json() == {"published": 1, "dead_lettered": 0}
    (seen,) = topics.predictions(1)
    assert seen.attributes["source_message_id"] == "m" * 1_024


def test_an_id_that_is_too_long_is_kept_apart_with_its_record(rides: Served, topics: Topics) -> None:
    records = [RIDE_EVENT, {"ride": RIDE, "ride_id": "r" * 2_000}]
    assert rides.post("/", push_body(records)).json() == {"published": 1, "dead_lettered": 1}
    topics.predictions(1)
    assert json.loads(topics.dead_letters(1)[0].data) == records[1]


def test_a_message_beyond_the_limit_is_kept_whole(functions: Functions, topics: Topics) -> None:
    small = {"MAX_REQUEST_BYTES": "1000"}
    served = functions("ride_duration", "predict_event", **small, **topics.settings, **RIDE_FIELDS)
    data = b"[" + b" " * 2_000_000 + b"]"
    assert served.post("/", push_body(data)).json() == {"published": 0, "dead_lettered": 1}
    (dead,) = topics.dead_letters(1)
    assert (dead.data, dead.attributes["error_code"]) == (data, "TOO_LARGE")


def test_a_body_that_pubsub_would_not_send_is_413(rides: Served, topics: Topics) -> None:
    answer = rides.client.post("/", content=b" " * (15 << 20), headers=JSON)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "TOO_LARGE")
    assert topics.dead_letters(0) == []


def test_ten_thousand_bad_records_are_all_kept(rides: Served, topics: Topics) -> None:
    assert rides.post("/", push_body([0] * 10_000)).json() == {"published": 0, "dead_lettered": 10_000}
    assert {one.attributes["record_place"] for one in topics.dead_letters(10_000)} == {str(n) for n in range(10_000)}


def test_nothing_is_dead_lettered_before_the_results_are_accepted(functions: Functions, topics: Topics) -> None:
    lost = topics.settings | {"PREDICTIONS_TOPIC": topics.names.topic("nowhere"), "PUBLISH_TIMEOUT_SECONDS": "1"}
    served = functions("ride_duration", "predict_event", **lost, **RIDE_FIELDS)
    answer = served.post("/", push_body([RIDE_EVENT, 7]))
    assert (answer.status_code, answer.json()["error_code"]) == (503, "PUBLISH_FAILED")
    assert topics.dead_letters(0) == []


@pytest.fixture
def impatient(functions: Functions, topics: Topics) -> Served:
    return functions("ride_duration", "predict_event", PREDICT_TIMEOUT_SECONDS="0.3", **topics.settings)


def test_a_body_that_does_not_come_is_not_waited_for(impatient: Served) -> None:
    host, _, port = impatient.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
        assert connection.recv(1000)[:12] == b"HTTP/1.1 504"
