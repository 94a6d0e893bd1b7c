"""The worker over a real subscription: what it publishes is, byte for byte, what `predict_event` would have."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.events.topics import RIDE, RIDE_EVENT, Seen, push_body
from hosting import Pulls, hosting, pulled
from modelserve.events.results import prediction_id
from serving import PATIENT, Served, release, serving

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

FIELDS = {"EVENT_FEATURES_FIELD": "ride", "EVENT_ID_FIELD": "ride_id"}
BAD = {"ride": RIDE | {"trip_distance": "far"}, "ride_id": 3}
BODIES = {
    "a record with its id": RIDE_EVENT,
    "a bare record": RIDE,
    "many records": [{"ride": RIDE, "ride_id": f"r{number}"} for number in range(250)],
    "records without ids": [RIDE, RIDE],
    "a form of the HTTP function": {"instances": [RIDE, RIDE]},
    "good and bad records": [RIDE_EVENT, BAD, 7, {"ride": RIDE, "ride_id": "good"}],
    "a bad cell": BAD,
    "not JSON": b"\x00\x01 poison",
    "10,000 deep": b"[" * 10_000,
    "a number": 7,
}


def order(seen: Seen) -> tuple[str | bytes, ...]:
    return (seen.attributes["source_message_id"], seen.attributes.get("record_place", ""), seen.data)


@pytest.fixture(scope="module")
def pulls() -> Iterator[Pulls]:
    with pulled() as made:
        yield made


@pytest.fixture(scope="module", params=["native", "compiled"])
def settings(
    request: pytest.FixtureRequest, models: Library, pulls: Pulls, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    store = tmp_path_factory.mktemp("store")
    path = models.path("ride_duration")
    release(store, "rides", path, {"label": "ride_duration"}, runtime=request.param)
    return {
        "MODEL_URI": f"{store}/models/rides@champion",
        "MODEL_TRUST": "pickle",
        **FIELDS,
        **PATIENT,
        **pulls.settings,
    }


@pytest.fixture(scope="module")
def worker(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with hosting("worker", tmp_path_factory.mktemp("worker") / "log", settings) as made:
        yield made


@pytest.fixture(scope="module")
def function(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("function") / "log"
    with serving(log, settings, "predict_event", "/health/ready") as made:
        yield made


@pytest.mark.parametrize("case", BODIES)
def test_a_pulled_message_gives_what_a_pushed_one_gives(
    worker: Served, function: Served, pulls: Pulls, case: str
) -> None:
    value = BODIES[case]
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    (message_id,) = pulls.publish(body, team="rides")
    answer = function.post("/", push_body(body, message_id, attributes={"team": "rides"})).json()
    predictions = pulls.predictions(2 * answer["published"])
    dead = pulls.dead_letters(2 * answer["dead_lettered"])
    for seen in (predictions, dead):
        ordered = sorted(seen, key=order)
        assert ordered[::2] == ordered[1::2]
    assert {one.attributes["source_message_id"] for one in predictions + dead} == {message_id}
    assert pulls.left() == 0


def test_what_arrives_together_is_told_apart(worker: Served, pulls: Pulls) -> None:
    """300 messages at once: good, bad and of many records, each with what belongs to it."""
    bodies = [
        json.dumps(
            [{"ride": RIDE | {"trip_distance": float(number)}, "ride_id": f"{number}-{place}"} for place in range(3)]
        )
        if number % 3
        else json.dumps(BAD)
        for number in range(300)
    ]
    ids = pulls.publish(*(body.encode() for body in bodies))
    places = {one.attributes["prediction_id"]: one for one in pulls.predictions(600)}
    distances: dict[int, float] = {}
    for number, message_id in enumerate(ids):
        for place in range(3) if number % 3 else ():
            seen = places.pop(prediction_id(message_id, place))
            event = seen.event["prediction"]
            assert event["ride_id"] == f"{number}-{place}"
            assert distances.setdefault(number, event["ride_duration"]) == event["ride_duration"]
    assert places == {}
    assert len(set(distances.values())) == 200
    dead = {one.attributes["source_message_id"] for one in pulls.dead_letters(100)}
    assert dead == set(ids[::3])


def test_a_message_older_than_the_limit_is_kept_with_its_reason(settings: dict[str, str], tmp_path: Path) -> None:
    with pulled("old") as old:
        old.publish(json.dumps(RIDE_EVENT).encode())
        published = time.time()
        while time.time() < published + 1:
            time.sleep(0.05)
        with hosting("worker", tmp_path / "log", settings | old.settings | {"EVENT_MAX_AGE_SECONDS": "1"}):
            (dead,) = old.dead_letters(1)
            assert dead.attributes["error_code"] == "EVENT_TOO_OLD"
            assert old.predictions(0) == []
