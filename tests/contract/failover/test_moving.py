"""Requests are moved there and back, and everything else in the URL map stays as it is."""

from __future__ import annotations

import base64
import json

import pytest

from contract.failover.compute import HOST_RULES, Compute, Fault
from contract.failover.rig import Rig
from contract.failover.scripted import NOT_READY, Scripted
from modelserve.core.errors import BadSetting
from modelserve_control.deploy.failover.balancer import ComputeFailed, NotShared
from modelserve_control.deploy.failover.weights import Name


def test_all_requests_go_there_and_back(rig: Rig, compute: Compute) -> None:
    moved = rig.move("gke", 100)
    assert moved["weights"] == {"functions": {"weight": 0, "percent": 0}, "gke": {"weight": 1000, "percent": 100}}
    assert (moved["changed"], moved["compared"]) == (True, True)
    assert compute.weights() == (0, 1000)
    rig.move("functions", 100)
    assert compute.weights() == (1000, 0)


@pytest.mark.parametrize(("to", "weight", "expected"), [("gke", 1, (990, 10)), ("functions", 25, (250, 750))])
def test_a_part_of_the_requests_is_moved(
    rig: Rig, compute: Compute, to: Name, weight: int, expected: tuple[int, int]
) -> None:
    rig.move(to, weight)
    assert compute.weights() == expected


def test_only_the_weights_change(rig: Rig, compute: Compute) -> None:
    before = json.loads(json.dumps(compute.url_map))
    rig.move("gke", 100)
    after = json.loads(json.dumps(compute.url_map))
    for document in (before, after):
        document.pop("fingerprint")
        for one in document["defaultRouteAction"]["weightedBackendServices"]:
            one.pop("weight")
    assert after == before
    assert after["hostRules"] == HOST_RULES["hostRules"]


def test_what_is_so_already_is_not_written(rig: Rig, compute: Compute) -> None:
    assert rig.move("gke", 0)["changed"] is False
    assert compute.patches() == 0


def test_the_command_returns_when_the_operation_is_done(rig: Rig, compute: Compute) -> None:
    compute.polls = 3
    rig.move("gke", 100)
    assert [method for method, _ in compute.seen].count("WAIT") == 3
    assert [one["status"] for one in compute.operations.values()] == ["DONE"]


def test_the_side_is_asked_as_the_load_balancer_and_a_caller_would(
    rig: Rig, functions_side: Scripted, gke_side: Scripted
) -> None:
    """The origin's token and host, without which the scripted Gateway answers 403; one identity token for both."""
    rig.request = b'{"tenure": 12}'
    rig.move("gke", 100)
    assert gke_side.bodies == [{"tenure": 12}]
    assert gke_side.tokens == functions_side.tokens
    (shown,) = gke_side.tokens
    _, claims, _ = shown.removeprefix("Bearer ").split(".")
    assert json.loads(decode(claims))["aud"] == functions_side.url


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_it_waits_until_the_side_is_ready(rig: Rig, compute: Compute, gke_side: Scripted) -> None:
    gke_side.later = [NOT_READY, NOT_READY]
    rig.move("gke", 100, wait=30)
    assert compute.weights() == (0, 1000)
    assert "gke is not ready: GET /health/ready gave 503 MODEL_NOT_READY" in rig.output.getvalue()


def test_an_operation_that_fails_is_told(rig: Rig, compute: Compute) -> None:
    compute.faults = [Fault("PATCH", error="The backend service is not ready.")]
    with pytest.raises(ComputeFailed, match="of modelserve failed: The backend service is not ready"):
        rig.move("gke", 100)
    assert compute.weights() == (100, 0)


def test_a_url_map_of_another_form_is_not_touched(rig: Rig, compute: Compute) -> None:
    compute.change({"defaultRouteAction": None, "defaultService": "site"})
    with pytest.raises(NotShared, match="end in -predict and -gateway; it names none"):
        rig.move("gke", 100)
    compute.change(
        {"defaultRouteAction": {"weightedBackendServices": [{"backendService": "a/x-predict", "weight": 1}]}}
    )
    with pytest.raises(NotShared, match="it names x-predict"):
        rig.status()
    assert compute.patches() == 0


def test_a_token_is_not_shown_without_encryption(rig: Rig) -> None:
    rig.gke_url = "http://gke.example.com"
    with pytest.raises(BadSetting, match="--gke-url must begin with https"):
        rig.status()


def test_the_status_is_what_the_url_map_and_the_sides_say(rig: Rig, compute: Compute, gke_side: Scripted) -> None:
    compute.change({"defaultRouteAction": {"timeout": {"seconds": "9"}}})
    gke_side.health = NOT_READY
    found = rig.status()
    assert found["weights"]["functions"] == {"weight": 100, "percent": 100}
    assert found["sides"]["functions"] == {
        "ready": True,
        "reason": None,
        "model": {"name": "churn", "version": "7", "digest": "d" * 64},
    }
    assert found["sides"]["gke"]["reason"] == "GET /health/ready gave 503 MODEL_NOT_READY: No version is active"
    assert found["same_model"] is None
    gke_side.health = (200, {})
    assert rig.status()["same_model"] is True
