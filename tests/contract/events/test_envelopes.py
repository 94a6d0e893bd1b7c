"""One ride in every envelope: the same prediction event comes out."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contract.events.conftest import RIDE_FIELDS
from contract.events.topics import RIDE, RIDE_EVENT, Topics, encoded, push_body
from serving import Functions, Served

PUBSUB = "google.cloud.pubsub.topic.v1.messagePublished"
CE = {"ce-specversion": "1.0", "ce-type": PUBSUB, "ce-source": "//pubsub.googleapis.com/projects/p/topics/t"}

Send = Callable[[Served, str], httpx.Response]


def push(served: Served, message_id: str) -> httpx.Response:
    return served.post("/", push_body(RIDE_EVENT, message_id))


def push_at_any_path(served: Served, message_id: str) -> httpx.Response:
    return served.post("/some/path", push_body(RIDE_EVENT, message_id) | {"deliveryAttempt": 3})


def eventarc_binary(served: Served, message_id: str) -> httpx.Response:
    return served.post("/", push_body(RIDE_EVENT, message_id), headers=CE | {"ce-id": message_id})


def eventarc_structured(served: Served, message_id: str) -> httpx.Response:
    event: dict[str, Any] = {"specversion": "1.0", "id": message_id, "type": PUBSUB, "source": "//pubsub"}
    event = event | {"data": push_body(RIDE_EVENT, message_id)}
    return served.client.post("/", content=json.dumps(event), headers={"content-type": "application/cloudevents+json"})


def own_binary(served: Served, message_id: str) -> httpx.Response:
    headers = {**CE, "ce-type": "com.example.ride", "ce-id": message_id}
    return served.post("/", RIDE_EVENT, headers=headers)


def own_structured(served: Served, message_id: str) -> httpx.Response:
    event = {"specversion": "1.0", "id": message_id, "type": "com.example.ride", "source": "/x", "data": RIDE_EVENT}
    return served.client.post("/", content=json.dumps(event), headers={"content-type": "application/cloudevents+json"})


def structured_base64(served: Served, message_id: str) -> httpx.Response:
    event = {"specversion": "1.0", "id": message_id, "type": "com.example.ride", "source": "/x"}
    event |= {"data_base64": encoded(RIDE_EVENT)}
    return served.client.post("/", content=json.dumps(event), headers={"content-type": "application/cloudevents+json"})


def unwrapped(served: Served, message_id: str) -> httpx.Response:
    return served.post("/", RIDE_EVENT, headers={"x-goog-pubsub-message-id": message_id})


ENVELOPES = [
    push,
    push_at_any_path,
    eventarc_binary,
    eventarc_structured,
    own_binary,
    own_structured,
    structured_base64,
    unwrapped,
]


@pytest.mark.parametrize("send", ENVELOPES)
def test_every_envelope_gives_one_prediction_event(rides: Served, topics: Topics, send: Send) -> None:
    message_id = uuid.uuid4().hex
    answer = send(rides, message_id)
    assert (answer.status_code, answer.json()) == (200, {"published": 1, "dead_lettered": 0})
    (seen,) = topics.predictions(1)
    event = seen.event
    assert list(event) == ["model", "version", "prediction", "prediction_id"]
    assert (event["model"], event["version"]) == ("ride_duration", "1")
    assert event["prediction"] == {"ride_duration": pytest.approx(event["prediction"]["ride_duration"]), "ride_id": 156}
    assert seen.ordering_key == ""
    assert seen.attributes == {
        "model_name": "ride_duration",
        "model_version": "1",
        "source_message_id": message_id,
        "prediction_id": event["prediction_id"],
    }


def test_a_push_without_any_metadata_is_known_by_its_bytes(rides: Served, topics: Topics) -> None:
    for _ in range(2):
        assert rides.post("/", RIDE_EVENT).status_code == 200
    first, second = topics.predictions(2)
    assert first.event == second.event


def test_the_event_answers_what_http_answers(functions: Functions, rides: Served, topics: Topics) -> None:
    http = functions("ride_duration", presentation={"label": "ride_duration"}).post("/predict", RIDE).json()
    rides.post("/", push_body(RIDE_EVENT))
    (seen,) = topics.predictions(1)
    assert seen.event["prediction"] == http | {"ride_id": 156}


def test_a_redelivery_has_the_same_prediction_id(rides: Served, topics: Topics) -> None:
    for _ in range(3):
        rides.post("/", push_body(RIDE_EVENT, "one-and-the-same"))
    assert len({seen.data for seen in topics.predictions(3)}) == 1


def test_many_records_in_one_message(rides: Served, topics: Topics) -> None:
    records = [{"ride": RIDE | {"trip_distance": float(n)}, "ride_id": f"r{n}"} for n in range(5)]
    assert rides.post("/", push_body(records)).json() == {"published": 5, "dead_lettered": 0}
    seen = topics.predictions(5)
    assert sorted(one.event["prediction"]["ride_id"] for one in seen) == [f"r{n}" for n in range(5)]
    assert len({one.event["prediction_id"] for one in seen}) == 5


@pytest.mark.parametrize(
    "value",
    [
        RIDE,
        {"instances": [RIDE]},
        {"dataframe_split": {"columns": list(RIDE), "data": [list(RIDE.values())]}},
        {
            "inputs": [
                {"name": "PULocationID", "shape": [1], "datatype": "INT64", "data": [130]},
                {"name": "DOLocationID", "shape": [1], "datatype": "INT64", "data": [205]},
                {"name": "trip_distance", "shape": [1], "datatype": "FP64", "data": [3.66]},
            ]
        },
    ],
)
def test_any_form_of_the_http_function_is_taken(rides: Served, topics: Topics, value: Any) -> None:
    assert rides.post("/", push_body(value, "the-message")).status_code == 200
    (seen,) = topics.predictions(1)
    # Without an id of its own a record has that of its message.
    assert seen.event["prediction"]["ride_id"] == "the-message"


def test_with_order_the_key_is_the_id_or_else_that_of_the_message(functions: Functions, topics: Topics) -> None:
    presentation = {"label": "ride_duration"}
    more = {"ORDERED_PREDICTIONS": "true", **topics.settings, **RIDE_FIELDS}
    ordered = functions("ride_duration", "predict_event", presentation, **more)
    ordered.post("/", push_body([RIDE_EVENT, RIDE], "the-message"))
    assert {seen.ordering_key for seen in topics.predictions(2)} == {"156", "the-message-1"}


def test_a_dry_run_answers_and_publishes_nothing(functions: Functions, topics: Topics) -> None:
    presentation = {"label": "ride_duration"}
    dry = functions("ride_duration", "predict_event", presentation, DRY_RUN="true", **topics.settings, **RIDE_FIELDS)
    answer = dry.post("/", push_body(RIDE_EVENT)).json()
    (event,) = answer["predictions"]
    assert event["prediction"]["ride_id"] == 156
    bad = dry.post("/", push_body({"ride": {}, "ride_id": 1})).json()
    assert [dead["error_code"] for dead in bad["dead_letters"]] == ["SIGNATURE_MISMATCH"]
    assert topics.predictions(0) == topics.dead_letters(0) == []


def test_other_methods_are_405_and_health_is_answered(rides: Served) -> None:
    assert rides.client.get("/health/live").status_code == 200
    assert rides.client.get("/health/ready").status_code == 200
    for method in ("GET", "PUT", "DELETE"):
        answer = rides.client.request(method, "/")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
