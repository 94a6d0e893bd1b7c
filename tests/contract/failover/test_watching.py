"""A side that fails after it got requests loses them again."""

from __future__ import annotations

import pytest

from contract.failover.compute import Compute
from contract.failover.rig import Rig
from contract.failover.scripted import GONE, GOOD, NOT_READY, Scripted
from modelserve_control.common.services import polling
from modelserve_control.deploy.failover.switch import SideFailed
from virtual_time import VirtualTime


def test_the_weights_are_put_back_when_the_side_fails(rig: Rig, compute: Compute, gke_side: Scripted) -> None:
    gke_side.later = [GOOD, GOOD]  # the check before and the first probe after
    gke_side.health = NOT_READY
    with pytest.raises(SideFailed) as failed:
        rig.move("gke", 100, watch=600)
    assert failed.value.message == (
        "gke failed, 3 of its last 4 probes failed: GET /health/ready gave 503 MODEL_NOT_READY: No version is active. "
        "The weights are back: functions 100 %, gke 0 %."
    )
    assert compute.weights() == (100, 0)
    assert compute.patches() == 2


def test_errors_of_the_model_count_too(rig: Rig, compute: Compute, gke_side: Scripted) -> None:
    rig.request = b"{}"
    compute.polls = 1
    gke_side.failing_after = 2
    with pytest.raises(SideFailed, match="POST /predict gave 500"):
        rig.move("gke", 30, watch=600)
    assert compute.weights() == (100, 0)


def test_a_lost_answer_or_two_move_nothing(
    rig: Rig, compute: Compute, gke_side: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "time", VirtualTime())
    gke_side.later = [GOOD, GONE, GOOD, GONE]  # the first is the check before
    found = rig.move("gke", 100, watch=4.5)
    assert (found["probes"], found["failed"]) == (6, 2)
    assert compute.weights() == (0, 1000)


def test_weights_stay_when_the_other_side_is_no_better(
    rig: Rig, compute: Compute, functions_side: Scripted, gke_side: Scripted
) -> None:
    functions_side.health = NOT_READY
    gke_side.later = [GOOD] * 3  # the checks before it counts as an outage
    gke_side.health = GONE
    with pytest.raises(
        SideFailed, match=r"functions does not answer either .* so the weights stay: functions 0 %, gke 100 %"
    ):
        rig.move("gke", 100, watch=600, any_caller=True)
    assert compute.weights() == (0, 1000)


def test_the_function_is_watched_on_the_way_back(rig: Rig, compute: Compute, functions_side: Scripted) -> None:
    rig.move("gke", 100)
    functions_side.later = [GOOD]
    functions_side.health = GONE
    with pytest.raises(SideFailed, match="The weights are back: functions 0 %, gke 100 %"):
        rig.move("functions", 100, watch=600)
    assert compute.weights() == (0, 1000)
