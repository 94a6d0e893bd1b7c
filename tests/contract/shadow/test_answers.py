"""What the shadow finds: nothing where there is nothing, exactly what was planted where something was."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from contract.events.topics import push_body
from contract.http.customers import COLUMNS, JSON_FORMS, RECORDS, as_csv, as_parquet, as_v2
from contract.shadow.shadows import EACH, OTHERWISE, Differences, Shadowed, published, shadowed
from serving import Functions

LABEL = {"positive_class": "yes", "label": "churn"}
SECRET = "nobody-else-may-read-this"
SECRET_NUMBER = 9876.543210123


@pytest.fixture
def churn(functions: Functions, tmp_path: Path) -> str:
    presentation = LABEL | {"threshold": 0.5}
    return published(tmp_path / "store", "churn", functions.models.path("churn"), functions.runtime, presentation)


def every_form(shadow: Shadowed) -> int:
    """How many answers were given."""
    served = shadow.served
    answers = [served.post(path, body) for path in ("/predict", "/invocations") for body in JSON_FORMS.values()]
    answers += [served.post("/invocations", {"inputs": RECORDS, "params": {"predict_method": "predict_proba"}})]
    for kind, data in {"text/csv; charset=utf-8": as_csv(), "application/vnd.apache.parquet": as_parquet()}.items():
        answers.append(served.client.post("/invocations", content=data, headers={"content-type": kind}))
    answers += [served.post(path, as_v2()) for path in ("/v2/models/churn/infer", "/v2/models/churn/versions/1/infer")]
    answers += [served.post("/predict", RECORDS), served.post("/", RECORDS[0])]
    answers += [served.client.get("/predict", params=record) for record in RECORDS]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    return len(answers)


def test_a_model_differs_from_itself_in_no_form(churn: str, tmp_path: Path) -> None:
    with shadowed(tmp_path, churn, churn, **EACH) as shadow:
        shadow.wait_until_active(lambda: shadow.served.post("/predict", RECORDS))
        count = every_form(shadow)
        assert shadow.served.post("/predict", [{"contract": 1}]).status_code == 400
        assert shadow.served.client.get("/metadata").status_code == 200
        found = shadow.summary(taken=count)
    assert (found["compared"], found["differing"], found["flips"], found["errors"]) == (count, 0, 0, {})
    assert (found["model"], found["version"], found["shadow_version"]) == ("churn", "1", "1")
    assert shadow.lines(OTHERWISE) == []


def customers(count: int) -> list[dict[str, Any]]:
    """From those who surely stay to those who surely leave."""
    return [dict(zip(COLUMNS, [SECRET, 41, SECRET_NUMBER / 100 + number], strict=True)) for number in range(count)]


def test_planted_flips_are_in_the_topic_and_in_the_summary(
    functions: Functions, differences: Differences, churn: str, tmp_path: Path
) -> None:
    records = customers(20)
    with shadowed(tmp_path, churn, churn) as plain:
        shares = [one["churn_probability"] for one in plain.served.post("/predict", records).json()]
    planted = median(shares)
    flipped = [place for place, share in enumerate(shares) if (share >= 0.5) != (share >= planted)]
    assert 0 < len(flipped) < len(records)
    presentation = LABEL | {"threshold": planted}
    other = published(tmp_path / "other", "later", functions.models.path("churn"), functions.runtime, presentation)
    with shadowed(tmp_path, churn, other, **differences.settings) as shadow:
        shadow.wait_until_active(lambda: shadow.served.post("/predict", records[:1]))
        shadow.served.post("/invocations", {"dataframe_records": records})  # labels alone, which are the same
        differing = shadow.served.client.post("/predict", json=records, headers={"x-request-id": "planted-1"})
        assert differing.status_code == 200
        (message,) = differences.take(1)
        found = shadow.summary()
    assert message.event["request_id"] == message.attributes["request_id"] == "planted-1"
    assert [message.event[name] for name in ("model", "version", "shadow_model", "shadow_version")] == [
        "churn", "1", "later", "1",
    ]  # fmt: skip
    assert message.event["counts"] == {"flip": len(flipped)}
    assert message.event["differences"] == [
        {"place": f"/{place}/churn", "kind": "flip", "served": shares[place] >= 0.5, "shadow": shares[place] >= planted}
        for place in flipped
    ]
    assert message.attributes.items() >= {"model_name": "churn", "model_version": "1", "shadow_version": "1"}.items()
    assert (found["compared"], found["differing"], found["flips"]) == (2, 1, len(flipped))
    assert found["greatest"] == 0.0
    text = shadow.log.read_text() + message.data.decode()
    assert SECRET not in text
    assert str(SECRET_NUMBER)[:6] not in text


def test_a_challenger_that_refuses_is_told_by_its_code(
    functions: Functions, differences: Differences, churn: str, tmp_path: Path
) -> None:
    other = published(tmp_path / "other", "rides", functions.models.path("ride_duration"), functions.runtime)
    with shadowed(tmp_path, churn, other, **differences.settings) as shadow:
        shadow.wait_until_active(lambda: shadow.served.post("/predict", RECORDS[0]))
        assert shadow.served.post("/predict", customers(1)[0]).status_code == 200
        (message,) = differences.take(1)
        found = shadow.summary()
    assert message.event["error_code"] == "SIGNATURE_MISMATCH"
    assert (found["compared"], found["errors"]) == (0, {"SIGNATURE_MISMATCH": 1})
    assert SECRET not in shadow.log.read_text() + message.data.decode()


def test_what_is_published_of_a_message_is_compared(
    functions: Functions, differences: Differences, tmp_path: Path
) -> None:
    served, other = (
        published(tmp_path / "store", f"constant-{value}", functions.models.constant(value), functions.runtime)
        for value in (1.5, 2.0)
    )
    settings = differences.settings | {"EVENT_ID_FIELD": "id"}
    with shadowed(tmp_path, served, other, "predict_event", **settings) as shadow:
        shadow.wait_until_active(lambda: shadow.served.post("/", push_body({"x": 1.0, "id": SECRET})))
        records = [{"x": SECRET_NUMBER, "id": SECRET}, {"x": "bad", "id": SECRET}, {"x": 2.0, "id": SECRET}]
        answer = shadow.served.post("/", push_body(records, "message-1"))
        assert answer.json() == {"published": 2, "dead_lettered": 1}
        (message,) = differences.take(1)
        found = shadow.summary()
    assert message.event["request_id"] == "message-1"
    assert message.event["differences"] == [
        {"place": f"/{row}/prediction", "kind": "number", "served": 1.5, "shadow": 2.0} for row in range(2)
    ]
    assert (found["compared"], found["differing"], found["greatest"]) == (1, 1, 0.5)
    assert [event.event["version"] for event in differences.topics.predictions(3)] == ["1"] * 3
    text = json.dumps(shadow.lines(OTHERWISE)) + message.data.decode()
    assert SECRET not in text
    assert str(SECRET_NUMBER) not in text


def test_a_share_of_none_starts_nothing(churn: str, tmp_path: Path) -> None:
    with shadowed(tmp_path, churn, churn, SHADOW_PERCENT="0") as shadow:
        for record in RECORDS:
            assert shadow.served.post("/predict", record).status_code == 200
        assert shadow.processes() == []


def test_without_a_challenger_there_is_no_shadow(functions: Functions) -> None:
    served = functions("churn")
    assert served.post("/predict", RECORDS).status_code == 200
    assert Shadowed(served, served.child.log).processes() == []
