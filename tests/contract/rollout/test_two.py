"""Two rollouts at once, and one process that was only thought dead."""

from __future__ import annotations

from contextlib import ExitStack

from command_line import finish
from contract.rollout.conftest import NEW, OLD, Rollout, asleep, kill, locks, records, steps
from contract.rollout.revisions import Revision
from http_server import WAIT_SECONDS


def test_the_second_refuses_and_names_the_first(rollout: Rollout) -> None:
    fault = rollout.cloud.fault("GET", "timeSeries", skip=3, held=True)
    with rollout.started() as first:
        with asleep(first, fault):
            since = records(rollout.command.store)[0]["started_at"]
            patches = rollout.cloud.patches
            message = rollout.refused("ROLLOUT_UNDER_WAY")
            assert message.startswith(f"ann@example.com has been rolling out churn-predict since {since}: ")
            assert (rollout.cloud.patches, len(records(rollout.command.store))) == (patches, 1)
        finish(first)
    assert rollout.predict.shares() == {NEW: 100}


def test_one_that_was_aborted_by_another_stops_before_it_touches_the_traffic(rollout: Rollout) -> None:
    fault = rollout.cloud.fault("GET", "timeSeries", skip=3, held=True)
    with rollout.started() as first:
        with asleep(first, fault):
            rollout("--abort")
            patches = rollout.cloud.patches
        assert "was taken over by ann@example.com" in finish(first, code=1).err
    assert (rollout.predict.shares(), rollout.cloud.patches) == ({OLD: 100}, patches)
    assert records(rollout.command.store)[0]["outcome"] == "aborted"


def test_nothing_to_resume_or_to_abort(rollout: Rollout) -> None:
    assert "No rollout of churn-predict is under way" in rollout.refused("NO_ROLLOUT", "--resume")
    rollout.refused("NO_ROLLOUT", "--abort")
    assert rollout.cloud.patches == 0


def test_the_next_one_starts_when_the_last_has_ended(rollout: Rollout) -> None:
    rollout()
    rollout.cloud.next["churn-predict"] = Revision()
    assert rollout.json()["services"] == {"churn-predict": {"serves": "churn-predict-00003-abc", "before": NEW}}
    assert len(records(rollout.command.store)) == 2


def test_a_rollout_that_was_killed_bars_the_next_one_until_somebody_decides(rollout: Rollout) -> None:
    fault = rollout.cloud.fault("PATCH", "churn-predict", skip=2, held=True)
    with rollout.started() as first:
        kill(first, fault)
    assert "use --resume or --abort if that process is dead" in rollout.refused("ROLLOUT_UNDER_WAY")
    rollout("--abort")
    rollout.cloud.next["churn-predict"] = Revision()
    rollout()
    assert locks(rollout.command.store) == []


def test_one_that_was_only_thought_dead_makes_no_further_change(rollout: Rollout) -> None:
    """It has read the service, and nothing has changed there since, so only the record can tell it."""
    slept = rollout.cloud.fault("GET", "services/churn-predict", skip=11, held=True)
    with rollout.started() as first, ExitStack() as other:
        with asleep(first, slept):
            assert rollout.cloud.patches == 2  # it was about to shift the first share
            began = rollout.cloud.fault("GET", "services/churn-predict", held=True)
            second = other.enter_context(rollout.started("--resume"))
            assert began.arrived.wait(WAIT_SECONDS)
        with asleep(second, began):
            assert "was taken over by ann@example.com" in finish(first, code=1).err
            assert (rollout.predict.shares(), rollout.cloud.patches) == ({OLD: 100}, 2)
        finish(second)
    assert rollout.predict.shares() == {NEW: 100}


def test_it_is_resumed_with_the_command_and_the_shares_of_its_record(rollout: Rollout) -> None:
    fault = rollout.cloud.fault("POST", "/deploy/", held=True)
    with rollout.started("--shares", "40,100") as first:
        kill(first, fault)
    rollout.command(*rollout.words, "--resume")
    (record,) = records(rollout.command.store)
    assert [step for step in steps(record) if step.startswith("shifted")] == ["shifted 40", "shifted 100"]
    assert rollout.predict.shares() == {NEW: 100}
