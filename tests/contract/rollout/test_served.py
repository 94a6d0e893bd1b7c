"""What is rolled out is what does not serve, whoever deployed it and whenever."""

from __future__ import annotations

import pytest

from contract.rollout.conftest import NEW, OLD, Rollout, records, steps
from contract.rollout.revisions import Revision

ARCHIVE, OTHER = "modelserve-fedcba9876543210.zip", "modelserve-0123456789abcdef.zip"
DIGEST = f"sha256:{'d' * 64}"
BOTH = ("churn-predict", "churn-events")


def deploy_by_hand(rollout: Rollout, service: str = "churn-predict", archive: str = ARCHIVE) -> None:
    """As Terraform does beside a pipeline: the traffic stays where it is."""
    fake = rollout.cloud.services[service]
    fake.take({fake.latest_ready: 100})
    fake.deploy(Revision(archive=archive, image=f"r-docker.pkg.dev/p/churn/{service}@{DIGEST}"))
    rollout.cloud.next.pop(service, None)


def test_after_a_rollback_the_same_command_rolls_out_what_it_left(rollout: Rollout) -> None:
    rollout.cloud.next["churn-predict"] = Revision(fails_from=25, archive=ARCHIVE)
    rollout.refused("ROLLED_BACK", "--code", ARCHIVE)
    rollout.predict.revisions[NEW].fails_from = 101  # what was wrong is gone, and nothing new is deployed
    assert rollout.json("--code", ARCHIVE)["services"] == {"churn-predict": {"serves": NEW, "before": OLD}}
    assert rollout.predict.shares() == {NEW: 100}


@pytest.mark.parametrize("code", [(), ("--code", ARCHIVE), ("--code", DIGEST)])
def test_what_was_deployed_by_hand_gets_its_traffic_without_a_command(rollout: Rollout, code: tuple[str, ...]) -> None:
    deploy_by_hand(rollout)
    rollout.command(*rollout.words, *code)
    assert rollout.predict.shares() == {NEW: 100}


def test_one_service_was_deployed_before_and_the_other_is_now(rollout: Rollout) -> None:
    rollout.cloud.service("churn-events")
    deploy_by_hand(rollout)
    rollout.cloud.next["churn-events"] = Revision(archive=ARCHIVE)
    rollout.of(*BOTH)("--code", ARCHIVE)
    assert rollout.predict.shares() == {NEW: 100}
    assert rollout.cloud.services["churn-events"].shares() == {"churn-events-00002-abc": 100}


def test_what_serves_already_is_left_alone_and_costs_no_record(rollout: Rollout) -> None:
    rollout.cloud.next["churn-predict"] = Revision(archive=ARCHIVE)
    rollout("--code", ARCHIVE)
    patches = rollout.cloud.patches
    told = rollout.command(*rollout.words, "--token-command", "false", "--code", ARCHIVE)
    assert told.out == f"served already\nchurn-predict serves {NEW}\n"
    assert (rollout.cloud.patches, len(records(rollout.command.store))) == (patches, 1)


def test_a_command_that_makes_no_revision_of_what_serves_is_recorded_and_moves_nothing(rollout: Rollout) -> None:
    rollout.cloud.next["churn-predict"] = Revision(archive=ARCHIVE)
    rollout("--code", ARCHIVE)
    assert rollout.json("--code", ARCHIVE)["services"] == {"churn-predict": {"serves": NEW, "before": NEW}}
    assert steps(records(rollout.command.store)[-1]) == ["pinned", "deployed", "promoted"]


def test_without_a_command_the_newest_must_be_what_is_asked_for(rollout: Rollout) -> None:
    deploy_by_hand(rollout, archive=OTHER)
    found = rollout.command(*rollout.words, "--code", ARCHIVE, code=1)
    assert f"The newest revision {NEW} has {OTHER} instead of {ARCHIVE}: deploy that first." in found.err
    assert (rollout.cloud.patches, records(rollout.command.store)) == (0, [])


def test_a_command_that_deploys_something_else_is_taken_back(rollout: Rollout) -> None:
    rollout.cloud.next["churn-predict"] = Revision(archive=OTHER)
    assert f"{NEW} has {OTHER} instead of {ARCHIVE}" in rollout.refused("ROLLED_BACK", "--code", ARCHIVE)
    assert rollout.predict.shares() == {OLD: 100}
