"""An event function that logs its predictions: the rows that Pub/Sub gets of each event."""

from __future__ import annotations

import json

import pytest

from contract.events.topics import Topics, push_body
from contract.http.customers import RECORDS
from contract.shadow.shadows import served_like_others
from serving import Functions


@pytest.mark.parametrize("functions", ["compiled"], indirect=True)  # only a compiled version knows categories
def test_each_event_is_logged_with_its_inputs_and_unknown_categories(functions: Functions, topics: Topics) -> None:
    known, _, unknown = RECORDS
    served = functions("churn", "predict_event", **topics.settings, LOG_TOPIC=topics.names.log)
    with served_like_others(served.child):
        for body in (unknown, [unknown, {**known, "tenure": "far"}, known]):
            assert served.post("/", push_body(body)).status_code == 200
        rows = [one.event for one in topics.log_rows(3)]
    answers = {one.event["prediction_id"]: one.event["prediction"] for one in topics.predictions(3)}
    assert {row["prediction_id"]: json.loads(row["answer"]) for row in rows} == answers
    logged = sorted((row["unknown_categories"], json.loads(row["inputs"])["contract"]) for row in rows)
    assert logged == sorted([(1, unknown["contract"])] * 2 + [(0, known["contract"])])
    topics.dead_letters(1)
