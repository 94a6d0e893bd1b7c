"""A side that does not answer as it must gets no requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.failover.compute import Compute
from contract.failover.rig import Rig
from contract.failover.scripted import GONE, NOT_READY, Scripted, metadata_of
from contract.failover.servers import Answer
from modelserve.core.errors import ServeError
from modelserve_control.common.processes import free_port
from modelserve_control.deploy.failover.checks import OpenToAnybody, SideNotReady, VersionsDiffer

FORBIDDEN = (403, "Your client does not have permission")


@pytest.fixture
def unmoved(rig: Rig, compute: Compute) -> Iterator[Rig]:
    yield rig
    assert compute.weights() == (100, 0)
    assert compute.patches() == 0


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (NOT_READY, "gke is not ready: GET /health/ready gave 503 MODEL_NOT_READY: No version is active."),
        (FORBIDDEN, "gke is not ready: GET /health/ready gave 403."),
        ((302, "/metadata"), "gke is not ready: GET /health/ready gave 302."),
        (GONE, "gke is not ready: GET /health/ready: no answer (RemoteProtocolError)."),
    ],
)
def test_a_side_that_is_not_ready(unmoved: Rig, gke_side: Scripted, health: Answer, said: str) -> None:
    gke_side.health = health
    with pytest.raises(SideNotReady) as refused:
        unmoved.move("gke", 100)
    assert refused.value.message == f"{said} Nothing was moved."


def test_a_side_where_nothing_listens(unmoved: Rig) -> None:
    unmoved.gke_url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SideNotReady, match="no answer"):
        unmoved.move("gke", 1)


def test_a_side_that_does_not_answer_the_request(unmoved: Rig, gke_side: Scripted) -> None:
    unmoved.request = b"{}"
    gke_side.predict = (500, {"error_code": "MODEL_FAILED", "message": "The model raised.", "details": []})
    with pytest.raises(SideNotReady, match="POST /predict gave 500 MODEL_FAILED: The model raised"):
        unmoved.move("gke", 100)


@pytest.mark.parametrize("metadata", [(404, {}), (200, {"name": "churn"}), (200, []), metadata_of("7", "")])
def test_a_side_that_does_not_say_what_it_serves(unmoved: Rig, gke_side: Scripted, metadata: Answer) -> None:
    gke_side.metadata = metadata
    with pytest.raises(SideNotReady, match="GET /metadata"):
        unmoved.move("gke", 100)


@pytest.mark.parametrize("metadata", [metadata_of("8"), metadata_of("7", "e" * 64)])
def test_another_version(unmoved: Rig, gke_side: Scripted, metadata: Answer) -> None:
    gke_side.metadata = metadata
    with pytest.raises(
        VersionsDiffer, match=r"gke serves churn version . \(.{12}\), and functions serves churn version 7"
    ):
        unmoved.move("gke", 100)


def test_the_side_that_serves_turns_this_caller_away(unmoved: Rig, functions_side: Scripted) -> None:
    """As the function does with an ingress that keeps this machine out: nothing says that it is down."""
    functions_side.health = (404, "Page not found")
    with pytest.raises(VersionsDiffer, match="cannot be compared with that of functions: GET /health/ready gave 404"):
        unmoved.move("gke", 100)


@pytest.mark.parametrize("health", [FORBIDDEN, (401, ""), (503, ""), GONE])
def test_a_gateway_that_lets_anybody_in(
    unmoved: Rig, functions_side: Scripted, gke_side: Scripted, health: Answer
) -> None:
    gke_side.guarded = functions_side.guarded = False
    functions_side.health = health
    known = health[0] in (401, 403)
    with pytest.raises(OpenToAnybody, match="refuses them" if known else "is not known"):
        unmoved.move("gke", 1)


def test_a_gateway_that_anybody_may_call(
    rig: Rig, compute: Compute, functions_side: Scripted, gke_side: Scripted
) -> None:
    gke_side.guarded = False
    rig.move("gke", 100, any_caller=True)
    rig.move("functions", 100)
    functions_side.guarded = False
    rig.move("gke", 100)
    assert compute.weights() == (0, 1000)


def test_another_version_by_order(rig: Rig, compute: Compute, gke_side: Scripted) -> None:
    gke_side.metadata = metadata_of("6")
    assert rig.move("gke", 100, any_version=True)["compared"] is False
    assert compute.weights() == (0, 1000)


@pytest.mark.parametrize("health", [GONE, NOT_READY, (429, {})])
def test_an_outage_is_no_reason_to_stay(rig: Rig, compute: Compute, functions_side: Scripted, health: Answer) -> None:
    functions_side.health = health
    assert rig.move("gke", 100, any_caller=True)["compared"] is False
    assert compute.weights() == (0, 1000)
    assert "functions does not answer, so the models were not compared" in rig.output.getvalue()


def test_one_lost_answer_is_no_outage(rig: Rig, compute: Compute, functions_side: Scripted, gke_side: Scripted) -> None:
    functions_side.later = [NOT_READY]
    gke_side.metadata = metadata_of("8")
    with pytest.raises(VersionsDiffer, match="gke serves churn version 8"):
        rig.move("gke", 100)
    assert compute.patches() == 0


def test_the_side_that_gets_more_is_checked_whichever_is_named(
    rig: Rig, compute: Compute, functions_side: Scripted
) -> None:
    rig.move("gke", 100)
    functions_side.health = GONE
    with pytest.raises(SideNotReady, match="functions is not ready"):
        rig.move("gke", 10)
    assert compute.weights() == (0, 1000)


def test_the_refusals_have_codes_of_their_own() -> None:
    kinds: list[type[ServeError]] = [OpenToAnybody, SideNotReady, VersionsDiffer]
    assert [kind.code for kind in kinds] == ["OPEN_TO_ANYBODY", "SIDE_NOT_READY", "VERSIONS_DIFFER"]
