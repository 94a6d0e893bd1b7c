"""Both functions in one rollout: they come from one archive, and one apply deploys both."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.cloud import run_v2

from command_line import finish
from contract.rollout.conftest import NEW, OLD, Rollout, kill, locks, records
from contract.rollout.revisions import Revision
from contract.rollout.services import FakeService
from http_server import WAIT_SECONDS
from serving import Functions

OLD_EVENTS, NEW_EVENTS = "churn-events-00001-abc", "churn-events-00002-abc"


@pytest.fixture
def both(rollout: Rollout) -> Rollout:
    rollout.cloud.service("churn-events")
    rollout.cloud.next["churn-events"] = Revision()
    return rollout.of("churn-predict", "churn-events")


def events(both: Rollout) -> FakeService:
    return both.cloud.services["churn-events"]


def serving(both: Rollout) -> list[dict[str, int]]:
    return [both.predict.shares(), events(both).shares()]


def test_both_get_their_traffic_together(both: Rollout) -> None:
    fault = both.cloud.fault("GET", "timeSeries", skip=8, held=True)
    with both.started() as process:
        assert fault.arrived.wait(WAIT_SECONDS)
        assert serving(both) == [{OLD: 75, NEW: 25}, {OLD_EVENTS: 75, NEW_EVENTS: 25}]
        fault.release.set()
        finish(process)
    assert serving(both) == [{NEW: 100}, {NEW_EVENTS: 100}]
    (record,) = records(both.command.store)
    assert record["services"]["churn-events"]["function"] == "predict_event"
    assert locks(both.command.store) == []


def test_no_golden_request_is_sent_to_the_event_function_which_would_publish_it(both: Rollout) -> None:
    both()
    assert set(events(both).revisions[NEW_EVENTS].probed) == {"/health/ready"}
    assert set(both.predict.revisions[NEW].probed) == {"/health/ready", "/predict"}


def test_one_that_is_closed_to_the_outside_is_not_asked_and_judged_by_what_its_callers_got(both: Rollout) -> None:
    events(both).ingress = run_v2.IngressTraffic.INGRESS_TRAFFIC_INTERNAL_ONLY
    assert "churn-events accepts requests only from its own network" in both().err
    assert serving(both) == [{NEW: 100}, {NEW_EVENTS: 100}]
    assert events(both).revisions[NEW_EVENTS].probed == []
    (record,) = records(both.command.store)
    smoked = next(entry["seen"] for entry in record["steps"] if entry["step"] == "smoked")
    assert smoked["churn-events"] == {"revision": NEW_EVENTS, "asked": False}


def test_one_that_is_closed_to_the_outside_goes_back_when_its_callers_get_errors(both: Rollout) -> None:
    events(both).ingress = run_v2.IngressTraffic.INGRESS_TRAFFIC_INTERNAL_ONLY
    both.cloud.next["churn-events"] = Revision(fails_from=50)
    assert "requests to churn-events-00002-abc failed" in both.refused("ROLLED_BACK")
    assert serving(both) == [{OLD: 100}, {OLD_EVENTS: 100}]


def test_from_inside_it_is_asked_too(both: Rollout) -> None:
    events(both).ingress = run_v2.IngressTraffic.INGRESS_TRAFFIC_INTERNAL_ONLY
    both("--inside")
    assert set(events(both).revisions[NEW_EVENTS].probed) == {"/health/ready"}


def test_a_doubt_about_one_brings_both_back(both: Rollout) -> None:
    both.cloud.next["churn-events"] = Revision(fails_from=50)
    assert "requests to churn-events-00002-abc failed" in both.refused("ROLLED_BACK")
    assert serving(both) == [{OLD: 100}, {OLD_EVENTS: 100}]
    assert (both.predict.tags(), events(both).tags()) == ({}, {})


def test_a_doubt_about_a_later_model_brings_the_functions_of_all_models_back(both: Rollout) -> None:
    later = ("flights-predict", "flights-events")
    for service in later:
        both.cloud.service(service, Revision(model="flights"))
        both.cloud.next[service] = Revision(model="flights", fails_from=50 if service == "flights-events" else 101)
    all_four = both.of("churn-predict", "churn-events", *later)
    serves = [f"--serves={service}={service.partition('-')[0]}" for service in all_four.services]
    assert "requests to flights-events-00002-abc failed" in all_four.refused("ROLLED_BACK", *serves)
    fakes = [both.cloud.services[service] for service in all_four.services]
    assert [fake.shares() for fake in fakes] == [{f"{fake.name}-00001-abc": 100} for fake in fakes]
    assert [fake.tags() for fake in fakes] == [{}] * 4
    assert all(f"{fake.name}-00002-abc" in fake.ever for fake in fakes)  # each had a share of the traffic
    assert locks(both.command.store) == []


def test_when_somebody_else_moves_one_the_other_goes_back(both: Rollout) -> None:
    both.cloud.fault("PATCH", "churn-predict", skip=3, moves={NEW: 100})
    assert "Somebody else has moved the traffic of churn-predict" in both.refused("TRAFFIC_MOVED")
    assert serving(both) == [{NEW: 100}, {OLD_EVENTS: 100}]
    (record,) = records(both.command.store)
    assert (record["outcome"], record["steps"][-1]["left"]) == ("left alone", ["churn-predict"])


def test_one_without_a_new_revision_stays_as_it_is(both: Rollout) -> None:
    del both.cloud.next["churn-events"]
    assert "churn-events has no new revision and stays as it is" in both().err
    assert serving(both) == [{NEW: 100}, {OLD_EVENTS: 100}]
    assert events(both).by_name()


@pytest.mark.parametrize(
    ("how", "ends"), [("--resume", [{NEW: 100}, {NEW_EVENTS: 100}]), ("--abort", [{OLD: 100}, {OLD_EVENTS: 100}])]
)
def test_killed_when_only_one_of_them_was_shifted(both: Rollout, how: str, ends: Any) -> None:
    fault = both.cloud.fault("PATCH", "churn-events", skip=2, held=True)
    with both.started() as process:
        kill(process, fault)
    assert serving(both) == [{OLD: 100}, {OLD_EVENTS: 95, NEW_EVENTS: 5}]
    both(how)
    assert serving(both) == ends
    assert locks(both.command.store) == []


def test_a_rollout_of_both_is_resumed_with_both(both: Rollout) -> None:
    fault = both.cloud.fault("PATCH", "churn-events", skip=2, held=True)
    with both.started() as process:
        kill(process, fault)
    one = both.of("churn-predict")
    assert "services/churn-predict: name exactly these" in one.json("--resume", code=2)["message"]
    assert one.json(code=1)["error_code"] == "ROLLOUT_UNDER_WAY"
    both("--abort")


def test_real_functions(both: Rollout, functions: Functions) -> None:
    http, event = functions("linear10"), functions("linear10", "predict_event", DRY_RUN="true")
    row = {f"G{number}": 1.0 for number in range(1, 11)}
    both.golden.write_text(json.dumps({"request": row, "expected": {"prediction": 55.5}}))
    both.cloud.next = {"churn-predict": Revision(upstream=http.url), "churn-events": Revision(upstream=event.url)}
    both("--serves", "churn-predict=linear10/1", "--serves", "churn-events=linear10/1")
    assert serving(both) == [{NEW: 100}, {NEW_EVENTS: 100}]
    (record,) = records(both.command.store)
    smoked = next(entry["seen"] for entry in record["steps"] if entry["step"] == "smoked")
    assert [smoked[name]["model"] for name in smoked] == ["linear10", "linear10"]
