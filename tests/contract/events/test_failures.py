"""No message is lost and none is retried for ever: what cannot pass goes to the dead letter topic with its reason."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from contract.events.topics import RIDE, RIDE_EVENT, Topics, push_body
from contract.twins import native_alone
from faults.proxy import wait_for
from http_server import WAIT_SECONDS
from serving import JSON, Functions, Served, release, serving

# Names that belong to Pub/Sub, or to the parameters of its client, must not get in the way.
ATTRIBUTES = {
    "team": "rides",
    "topic": "t",
    "data": "d",
    "timeout": "1",
    "self": "s",
    "long": "x" * 2000,
    "googclient_x": "1",
}

POISON: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"\x00\x01 poison", "MALFORMED_REQUEST"),
    "no data": (b"", "MALFORMED_REQUEST"),
    "10,000 deep": (b"[" * 10_000 + b"]" * 10_000, "MALFORMED_REQUEST"),
    "a number": (b"7", "MALFORMED_REQUEST"),
    "a duplicate key": (b'{"ride_id":1,"ride_id":2}', "MALFORMED_REQUEST"),
    "a bad cell": (json.dumps({"ride": RIDE | {"PULocationID": 1.7}, "ride_id": 1}).encode(), "SIGNATURE_MISMATCH"),
    "no features": (b'{"ride_id":1}', "SIGNATURE_MISMATCH"),
    "features of another type": (b'{"ride":[1],"ride_id":1}', "MALFORMED_REQUEST"),
    "an id of another type": (json.dumps({"ride": RIDE, "ride_id": [1]}).encode(), "MALFORMED_REQUEST"),
}


@pytest.mark.parametrize("case", POISON)
def test_a_message_that_can_never_pass_is_kept_with_its_reason_and_acked(
    rides: Served, topics: Topics, case: str
) -> None:
    data, code = POISON[case]
    message_id = uuid.uuid4().hex
    answer = rides.post("/", push_body(data, message_id, attributes=ATTRIBUTES))
    assert (answer.status_code, answer.json()) == (200, {"published": 0, "dead_lettered": 1})
    (dead,) = topics.dead_letters(1)
    assert dead.data == data
    kept = {name: value[:1024] for name, value in ATTRIBUTES.items() if not name.startswith("goog")}
    assert dead.attributes.items() >= kept.items()
    assert dead.attributes["error_code"] == code
    assert dead.attributes["source_message_id"] == message_id
    assert dead.attributes["error_message"]
    assert topics.predictions(0) == []


def test_a_bad_cell_is_named_in_the_reason(rides: Served, topics: Topics) -> None:
    rides.post("/", push_body({"ride": RIDE | {"trip_distance": "far"}, "ride_id": 1}))
    (dead,) = topics.dead_letters(1)
    assert "trip_distance: a string, needs double" in dead.attributes["error_message"]


@pytest.mark.parametrize("body", [b"{broken", b"", b"[]", b'"text"', b'{"message": 1}', b'{"message": {}}'])
def test_a_body_that_is_no_envelope_is_kept_too(rides: Served, topics: Topics, body: bytes) -> None:
    answer = rides.client.post("/", content=body, headers=JSON)
    assert answer.status_code == 200
    if answer.json()["dead_lettered"]:
        assert topics.dead_letters(1)[0].attributes["source_message_id"].startswith("sha256-")
    assert topics.predictions(0) == []


def test_of_many_records_the_good_are_answered_and_only_the_bad_are_kept(rides: Served, topics: Topics) -> None:
    bad = [{"ride": RIDE | {"trip_distance": None}, "ride_id": "b"}, 7, {"ride": {}, "ride_id": "d"}]
    records: list[Any] = [RIDE_EVENT, bad[0], {"ride": RIDE, "ride_id": "c"}, bad[1], bad[2]]
    answer = rides.post("/", push_body(records, "mixed"))
    assert answer.json() == {"published": 2, "dead_lettered": 3}
    assert {seen.event["prediction"]["ride_id"] for seen in topics.predictions(2)} == {156, "c"}
    dead = {one.attributes["record_place"]: json.loads(one.data) for one in topics.dead_letters(3)}
    assert dead == {"1": bad[0], "3": bad[1], "4": bad[2]}


def test_the_dead_letters_of_a_message_that_comes_five_times_have_one_id_each(rides: Served, topics: Topics) -> None:
    """Pub/Sub delivers at least once: a reader drops what it has seen of these two attributes."""
    poison, mixed = uuid.uuid4().hex, uuid.uuid4().hex
    for _ in range(5):
        assert rides.post("/", push_body(b"poison", poison)).json() == {"published": 0, "dead_lettered": 1}
        assert rides.post("/", push_body([RIDE_EVENT, 7, 8], mixed)).json() == {"published": 1, "dead_lettered": 2}
    dead = topics.dead_letters(15)
    ids = Counter((one.attributes["source_message_id"], one.attributes.get("record_place")) for one in dead)
    assert ids == {(poison, None): 5, (mixed, "1"): 5, (mixed, "2"): 5}
    assert len({seen.event["prediction_id"] for seen in topics.predictions(5)}) == 1


def test_data_that_is_no_string_is_kept_as_it_came(rides: Served, topics: Topics) -> None:
    message_id = uuid.uuid4().hex
    body = push_body(RIDE_EVENT, message_id, data=RIDE_EVENT, attributes={"team": "rides"})
    assert rides.post("/", body).json() == {"published": 0, "dead_lettered": 1}
    (dead,) = topics.dead_letters(1)
    assert json.loads(dead.data) == RIDE_EVENT
    assert dead.attributes["source_message_id"] == message_id
    assert (dead.attributes["team"], dead.attributes["error_code"]) == ("rides", "MALFORMED_REQUEST")


def test_a_message_older_than_the_limit_is_not_scored(functions: Functions, topics: Topics) -> None:
    served = functions("ride_duration", "predict_event", EVENT_MAX_AGE_SECONDS="60", **topics.settings)
    served.post("/", push_body(RIDE, publishTime="2020-01-01T00:00:00.123456789Z"))
    (dead,) = topics.dead_letters(1)
    assert (dead.attributes["error_code"], json.loads(dead.data)) == ("EVENT_TOO_OLD", RIDE)
    for time in ("", "soon", "2999-01-01T00:00:00Z", 7):
        assert served.post("/", push_body(RIDE, publishTime=time)).json()["published"] == 1
    topics.predictions(4)


@native_alone
def test_a_model_that_raises_is_retried_by_pubsub(functions: Functions, topics: Topics) -> None:
    served = functions("raising", "predict_event", **topics.settings)
    answer = served.post("/", push_body({"x": 1.0, "marked": True}))
    assert (answer.status_code, answer.json()["error_code"]) == (500, "MODEL_FAILED")
    assert served.post("/", push_body({"x": 1.0, "marked": False})).status_code == 200
    topics.predictions(1)
    assert topics.dead_letters(0) == []


def test_a_broken_publisher_asks_for_redelivery(functions: Functions, topics: Topics) -> None:
    gone = topics.names.topic(f"gone-{functions.runtime}")
    lost = topics.settings | {"PREDICTIONS_TOPIC": gone, "PUBLISH_TIMEOUT_SECONDS": "1"}
    served = functions("ride_duration", "predict_event", **lost)
    for _ in range(2):  # the second time the ordering key must not be blocked by the first failure
        answer = served.post("/", push_body(RIDE, "same-key"))
        assert (answer.status_code, answer.json()["error_code"]) == (503, "PUBLISH_FAILED")
        assert answer.headers["retry-after"] == "1"
    topics.publisher.create_topic(name=gone)
    wait_for(lambda: served.post("/", push_body(RIDE, "same-key")).status_code == 200, WAIT_SECONDS)


def test_without_a_dead_letter_topic_the_message_is_left_to_its_subscription(
    functions: Functions, topics: Topics
) -> None:
    served = functions("ride_duration", "predict_event", **(topics.settings | {"DEAD_LETTER_TOPIC": ""}))
    answer = served.post("/", push_body(b"poison"))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


def test_a_message_that_comes_before_the_model_is_sent_back(
    functions: Functions, topics: Topics, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    settings = {"MODEL_URI": f"{store}/models/ride@champion", "MODEL_TRUST": "pickle", "LOAD_WAIT_SECONDS": "0.2"}
    settings |= {"MODEL_REFRESH_SECONDS": "0.1"}
    with serving(tmp_path / "log", settings | topics.settings, "predict_event", "/health/live") as served:
        answer = served.post("/", push_body(RIDE))
        assert (answer.status_code, answer.json()["error_code"]) == (503, "MODEL_NOT_READY")
        release(store, "ride", functions.models.path("ride_duration"))
        served.child.wait_until(lambda: served.client.get("/health/ready").status_code == 200)
        assert served.post("/", push_body(RIDE)).status_code == 200
        topics.predictions(1)


def test_with_a_results_bucket_the_first_result_of_a_message_is_the_one_that_counts(
    functions: Functions, topics: Topics, tmp_path: Path
) -> None:
    store, bucket = tmp_path / "store", tmp_path / "results"
    bucket.mkdir()
    first = release(store, "constant", functions.models.constant(1.0))
    settings = {"MODEL_URI": f"{store}/models/constant@champion", "MODEL_TRUST": "pickle"}
    settings |= {"RESULTS_BUCKET": str(bucket), "MODEL_REFRESH_SECONDS": "0.05"}
    with serving(tmp_path / "log", settings | topics.settings, "predict_event", "/health/ready") as served:
        served.post("/", push_body({"x": 1.0}, "m"))
        second = release(store, "constant", functions.models.constant(2.0))
        served.child.wait_until(lambda: served.client.get("/health/ready").headers["x-model-version"] == second)
        served.post("/", push_body({"x": 1.0}, "m"))
        served.post("/", push_body({"x": 1.0}, "another"))
    answers = [(one.event["version"], one.event["prediction"]["prediction"]) for one in topics.predictions(3)]
    assert answers == [(first, 1.0), (first, 1.0), (second, 2.0)]
    assert len(list(bucket.glob("results/constant/*.json"))) == 2
