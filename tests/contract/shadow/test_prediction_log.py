"""Each prediction is a row of the log, in whatever form it was asked for, and the caller's id is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract.events.topics import RIDE, RIDE_EVENT, Topics, push_body
from contract.http.customers import COLUMNS, JSON_FORMS, RECORDS, as_csv, as_parquet, as_v2
from contract.shadow.shadows import published, served_like_others
from serving import PATIENT, Functions, Served, serving


class Log:
    def __init__(self, topics: Topics) -> None:
        self.topics = topics
        self.topic, self.subscription = topics.names.log, topics.names.log_pull

    def take(self, count: int) -> list[dict[str, Any]]:
        found = [one.event for one in self.topics._take(self.subscription, count)]
        for row in found:
            row |= {key: json.loads(row[key]) for key in ("inputs", "answer")}
        return found


@pytest.fixture(scope="module")
def log(topics: Topics) -> Log:
    return Log(topics)


@contextmanager
def logging(directory: Path, uri: str, log: Log, target: str = "predict", **settings: str) -> Iterator[Served]:
    given = {"MODEL_URI": uri, "MODEL_TRUST": "pickle", "METRICS": "true", "LOG_TOPIC": log.topic, **PATIENT}
    given |= log.topics.settings | settings
    ready = "/health" if target == "predict" else "/health/ready"
    with (
        serving(directory / "function.log", given, target, ready, cold=False) as served,
        served_like_others(served.child),
    ):
        yield served


def test_every_form_of_a_request_gives_the_same_rows(functions: Functions, log: Log, tmp_path: Path) -> None:
    uri = published(tmp_path / "store", "churn", functions.models.path("churn"), functions.runtime)
    with logging(tmp_path, uri, log) as served:
        first = served.post("/predict", RECORDS).json()
        log.take(3)  # the process has started
        for body in JSON_FORMS.values():
            assert served.post("/invocations", body).status_code == 200
        for kind, data in {"text/csv": as_csv(), "application/vnd.apache.parquet": as_parquet()}.items():
            assert served.client.post("/invocations", content=data, headers={"content-type": kind}).status_code == 200
        assert served.post("/v2/models/churn/infer", as_v2()).status_code == 200
        for record in RECORDS:
            assert served.client.get("/predict", params=record).status_code == 200
        rows = log.take(3 * (len(JSON_FORMS) + 4))
        served.client.post("/predict", json=RECORDS[0], headers={"X-Prediction-Id": "order-7", "X-Request-Id": "r1"})
        served.client.post("/predict", json=RECORDS[:2], headers={"X-Prediction-Id": "order-8"})
        served.client.post("/predict", json=RECORDS[0], headers={"X-Prediction-Id": "no id"})
        served.client.post("/predict", json={"contract": 1})
        own = log.take(4)
        assert 'modelserve_prediction_log_total{outcome="sent"}' in served.client.get("/metrics").text
    assert len({row["prediction_id"] for row in rows}) == len(rows)
    inputs = [json.dumps([row["inputs"][name] for name in COLUMNS]) for row in rows]
    assert {inputs.count(one) for one in inputs} == {len(rows) / 3}
    labels = [one["prediction"] for one in first]
    assert [row["answer"]["prediction"] for row in rows[-3:]] == labels
    assert {(row["model"], row["version"], row["caller_id"]) for row in rows} == {("churn", "1", None)}
    assert [row["caller_id"] for row in own] == ["order-7", "order-8/0", "order-8/1", None]
    assert own[0]["request_id"] == "r1"
    assert own[0]["answer"] == first[0]
    assert all(row["milliseconds"] > 0 and row["time"].endswith("Z") for row in own)


def test_an_event_is_logged_with_its_id_and_without_what_may_not_leave(
    functions: Functions, log: Log, tmp_path: Path
) -> None:
    uri = published(tmp_path / "store", "rides", functions.models.path("ride_duration"), functions.runtime)
    fields = {"EVENT_FEATURES_FIELD": "ride", "EVENT_ID_FIELD": "ride_id", "LOG_WITHOUT": "DOLocationID, other"}
    with logging(tmp_path, uri, log, "predict_event", **fields) as served:
        assert served.post("/", push_body([RIDE_EVENT, {"ride": 1}], "m1")).status_code == 200
        (row,) = log.take(1)
    (event,) = log.topics.predictions(1)
    assert (row["caller_id"], row["request_id"]) == ("156", "m1")
    assert row["prediction_id"] == event.event["prediction_id"]
    assert row["inputs"] == {name: value for name, value in RIDE.items() if name != "DOLocationID"}
    assert row["answer"]["prediction"] == event.event["prediction"]["prediction"]


def test_a_topic_that_is_not_there_costs_no_answer(functions: Functions, log: Log, tmp_path: Path) -> None:
    uri = published(tmp_path / "store", "churn", functions.models.path("churn"), functions.runtime)
    lost = log.topics.names.topic("nowhere")
    with logging(tmp_path, uri, log, LOG_TOPIC=lost, PUBLISH_TIMEOUT_SECONDS="0.5") as served:
        assert [served.post("/predict", RECORDS[0]).status_code for _ in range(20)] == [200] * 20
