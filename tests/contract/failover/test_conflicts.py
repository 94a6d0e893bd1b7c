"""A URL map that changes while it is read, and a compute API that does not answer as it should."""

from __future__ import annotations

import pytest

from contract.failover.compute import Compute, Fault, Kind, url_map_routes
from contract.failover.rig import Rig
from contract.failover.scripted import Scripted
from modelserve.core.errors import NotFound, PreconditionFailed
from modelserve_control.deploy.failover.balancer import MAX_ATTEMPTS, ComputeFailed
from modelserve_control.deploy.failover.switch import put_back
from modelserve_control.deploy.failover.weights import Weights

TESTS = {"tests": [{"host": "www.example.com", "path": "/"}]}


def test_a_change_of_anything_else_is_kept(rig: Rig, compute: Compute) -> None:
    compute.faults = [Fault("PATCH", change=TESTS)]
    rig.move("gke", 100)
    assert compute.weights() == (0, 1000)
    assert compute.url_map["tests"] == TESTS["tests"]
    assert compute.patches() == 2


def test_weights_that_somebody_else_moved_are_not_overwritten(rig: Rig, compute: Compute) -> None:
    compute.faults = [Fault("PATCH", change=url_map_routes(50, 50))]
    with pytest.raises(
        PreconditionFailed, match=r"Somebody else moved the weights meanwhile: from .* to functions 50 %, gke 50 %"
    ):
        rig.move("gke", 100)
    assert compute.weights() == (50, 50)


def test_somebody_else_who_wants_the_same_is_no_conflict(rig: Rig, compute: Compute) -> None:
    compute.faults = [Fault("PATCH", change=url_map_routes(0, 100))]
    assert rig.move("gke", 100)["changed"] is True
    assert compute.weights() == (0, 100)


def test_a_url_map_that_never_holds_still_is_left(rig: Rig, compute: Compute) -> None:
    compute.faults = [Fault("PATCH", change=TESTS) for _ in range(MAX_ATTEMPTS)]
    with pytest.raises(PreconditionFailed, match=f"was changed {MAX_ATTEMPTS} times"):
        rig.move("gke", 100)
    assert compute.weights() == (100, 0)


@pytest.mark.parametrize("status", [0, 502, 503])
@pytest.mark.parametrize("on", ["GET", "PATCH", "WAIT"])
def test_a_compute_api_that_fails_once_is_asked_again(rig: Rig, compute: Compute, on: Kind, status: int) -> None:
    compute.faults = [Fault(on, status)]
    rig.move("gke", 100)
    assert compute.weights() == (0, 1000)


@pytest.mark.parametrize("status", [0, 503])
def test_a_change_whose_answer_is_lost_is_made_once(rig: Rig, compute: Compute, status: int) -> None:
    compute.faults = [Fault("PATCH", status, done=True)]
    assert rig.move("gke", 100)["changed"] is True
    assert compute.weights() == (0, 1000)
    assert len(compute.operations) == 1


@pytest.mark.parametrize("on", ["GET", "PATCH"])
def test_without_the_grant_nothing_is_moved(rig: Rig, compute: Compute, on: Kind) -> None:
    compute.faults = [Fault(on, 403)]
    with pytest.raises(ComputeFailed, match="refused the URL map modelserve"):
        rig.move("gke", 100)
    assert compute.weights() == (100, 0)


def test_a_url_map_that_is_not_there_is_named(rig: Rig, compute: Compute) -> None:
    compute.url_map["name"] = "another"
    with pytest.raises(NotFound, match="the URL map modelserve"):
        rig.move("gke", 100)


def test_weights_that_were_moved_since_are_not_put_back(rig: Rig, compute: Compute) -> None:
    balancer = rig.balancer()
    functions = rig.sides(balancer)["functions"]
    compute.change(url_map_routes(30, 70))
    sentence = put_back(balancer, Weights(100, 0), Weights(0, 1000), functions)
    assert sentence == "Somebody else has moved the weights since, so they stay: functions 30 %, gke 70 %."
    assert compute.weights() == (30, 70)


def test_weights_that_cannot_be_put_back_are_told(rig: Rig, compute: Compute, gke_side: Scripted) -> None:
    balancer = rig.balancer()
    functions = rig.sides(balancer)["functions"]
    compute.change(url_map_routes(0, 1000))
    compute.faults = [Fault("PATCH", 403)]
    sentence = put_back(balancer, Weights(100, 0), Weights(0, 1000), functions)
    assert sentence.startswith("The weights could not be put back; look at --status. The compute API refused")
