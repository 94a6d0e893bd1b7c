"""What passes does not end a rollout: a slow cloud, an answer lost, a revision that starts, another's change beside it."""

from __future__ import annotations

import signal
from dataclasses import replace

from command_line import finish
from contract.rollout.conftest import NEW, OLD, Rollout, locks, records, steps
from contract.rollout.revisions import Revision
from http_server import WAIT_SECONDS


def promoted(rollout: Rollout) -> None:
    assert rollout.predict.shares() == {NEW: 100}
    assert (rollout.predict.tags(), locks(rollout.command.store)) == ({}, [])


def test_a_service_that_settles_slowly_and_a_revision_that_starts_slowly(rollout: Rollout) -> None:
    rollout = replace(rollout, command=replace(rollout.command, cold=True))
    rollout.predict.slow = 3
    rollout.cloud.next["churn-predict"] = Revision(pending=3, starting=3)
    rollout()
    promoted(rollout)


def test_an_api_that_fails_for_a_moment(rollout: Rollout) -> None:
    rollout.cloud.fault("GET", "/v2/", status=503)
    rollout.cloud.fault("PATCH", "churn-predict", status=503)
    rollout.cloud.fault("GET", "timeSeries", skip=3, status=500)
    rollout()
    promoted(rollout)


def test_another_change_of_the_service_at_the_same_moment_is_kept(rollout: Rollout) -> None:
    for skip in range(7):
        rollout.cloud.fault("PATCH", "churn-predict", skip=skip, moves={})
    rollout()
    promoted(rollout)
    assert rollout.cloud.patches == 7 + 7


def test_tags_of_others_stay(rollout: Rollout) -> None:
    rollout.predict.take({OLD: 100})
    rollout.predict.traffic[0].tag = "stable"
    rollout.predict.changed()
    rollout()
    assert rollout.predict.shares() == {NEW: 100}
    assert rollout.predict.tags() == {"stable": OLD}


def test_traffic_that_somebody_else_moved_is_left_as_they_set_it(rollout: Rollout) -> None:
    rollout.cloud.fault("PATCH", "churn-predict", skip=3, moves={OLD: 60, NEW: 40})
    assert "Somebody else has moved the traffic of churn-predict: 60 % to" in rollout.refused("TRAFFIC_MOVED")
    assert rollout.predict.shares() == {OLD: 60, NEW: 40}
    assert records(rollout.command.store)[-1]["outcome"] == "left alone"
    assert locks(rollout.command.store) == []


def test_traffic_that_is_moved_while_a_share_is_watched(rollout: Rollout) -> None:
    fault = rollout.cloud.fault("GET", "timeSeries", skip=2, held=True)
    with rollout.started("--watch", "0.1") as process:
        assert fault.arrived.wait(WAIT_SECONDS)
        rollout.predict.take({OLD: 100})
        fault.release.set()
        assert "Somebody else has moved" in finish(process, code=1).err
    assert rollout.predict.shares() == {OLD: 100}


def test_an_interrupted_rollout_goes_back(rollout: Rollout) -> None:
    fault = rollout.cloud.fault("GET", "timeSeries", skip=4, held=True)
    with rollout.started() as process:
        assert fault.arrived.wait(WAIT_SECONDS)
        process.send_signal(signal.SIGTERM)
        assert "The rollout was interrupted" in finish(process, code=1).err
    assert rollout.predict.shares() == {OLD: 100}
    (record,) = records(rollout.command.store)
    assert (record["outcome"], steps(record)[-2:]) == ("rolled back", ["going back", "back"])
