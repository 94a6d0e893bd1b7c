"""Killed after each transition, then resumed or aborted: the traffic ends on one good revision, and the record says how."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bucket_server import BucketServer, holding
from contract.rollout.conftest import NEW, OLD, Rollout, kill, locks, records, steps
from contract.rollout.revisions import Revision
from http_server import WAIT_SECONDS
from stores import NUMBERS

ALL = ["pinned", "deployed", "tagged", "smoked", "shifted 25", "shifted 100", "promoted"]
SHARES = ("--shares", "25,100")

Points = dict[str, str | tuple[str, str, int]]

# After which request it is killed: one to the fake cloud, by method, path and how many like it went before ...
CLOUD: Points = {
    "the revision is pinned": ("PATCH", "churn-predict", 0),
    "the new revision is deployed": ("POST", "/deploy/", 0),
    "the new revision is tagged": ("PATCH", "churn-predict", 1),
    "25 % are shifted": ("PATCH", "churn-predict", 2),
    "25 % are watched": ("GET", "timeSeries", 5),
    "100 % are shifted": ("PATCH", "churn-predict", 3),
    "the tag is gone": ("PATCH", "churn-predict", 4),
}
# ... or one to the store, by what only it has.
STORE: Points = {
    "the lock is taken": "churn-predict/current.json",
    **{f"{step} is in the record": f'"step": "{step}"' for step in ALL[:-1]},
}
LAST: Points = {"promoted is in the record": '"step": "promoted"'}
GOING: Points = {"it is going back": '"step": "going back"', "it is back": ("PATCH", "churn-predict", 3)}


@pytest.fixture
def in_bucket(rollout: Rollout, gcs: BucketServer) -> Rollout:
    """The same with a bucket as its store."""
    store = gcs.bucket(f"releases-{next(NUMBERS)}")
    changed = {**rollout.command.environment, "STORAGE_EMULATOR_HOST": gcs.url}
    return replace(rollout, command=replace(rollout.command, store=store, environment=changed))


@contextmanager
def killed(rollout: Rollout, gcs: BucketServer, point: str) -> Iterator[None]:
    """A rollout that was killed there; what it had asked for is done."""
    where = (CLOUD | STORE | LAST | GOING)[point]
    if isinstance(where, tuple):
        method, path, skip = where
        fault = rollout.cloud.fault(method, path, skip=skip, held=True)
        with rollout.started(*SHARES) as process:
            kill(process, fault)
        yield
        return
    with holding(gcs, where) as (server, held):
        slow = replace(
            rollout.command, environment={**rollout.command.environment, "STORAGE_EMULATOR_HOST": server.url}
        )
        with replace(rollout, command=slow).started(*SHARES) as process:
            kill(process, held)
        await_written(rollout, where)
        yield


def await_written(rollout: Rollout, words: str) -> None:
    """The proxy passes on what it held after the process that sent it is gone."""
    end = time.monotonic() + WAIT_SECONDS
    while words not in str([locks(rollout.command.store), *map(json.dumps, records(rollout.command.store))]):
        assert time.monotonic() < end, "it was never written"
        time.sleep(0.01)


@pytest.fixture
def bucket_here(in_bucket: Rollout, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", in_bucket.command.environment["STORAGE_EMULATOR_HOST"])
    return in_bucket


@pytest.mark.parametrize("point", [*CLOUD, *STORE])
def test_resumed_it_ends_on_the_new_revision(bucket_here: Rollout, gcs: BucketServer, point: str) -> None:
    rollout = bucket_here
    with killed(rollout, gcs, point):
        assert rollout.json("--resume", *SHARES)["outcome"] == "promoted"
    assert rollout.predict.shares() == {NEW: 100}
    assert (rollout.predict.by_name(), rollout.predict.tags()) == (True, {})
    (record,) = records(rollout.command.store)
    assert [step for step in steps(record) if step != "resumed"] == ALL
    assert (record["outcome"], locks(rollout.command.store)) == ("promoted", [])


@pytest.mark.parametrize("point", [*CLOUD, *STORE])
def test_aborted_it_ends_on_the_old_revision(bucket_here: Rollout, gcs: BucketServer, point: str) -> None:
    rollout = bucket_here
    with killed(rollout, gcs, point):
        assert rollout.json("--abort", "--reason", "lunch")["outcome"] == "aborted"
    assert rollout.predict.shares() == {OLD: 100}
    assert (rollout.predict.by_name(), rollout.predict.tags()) == (True, {})
    (record,) = records(rollout.command.store)
    assert steps(record)[-3:] == ["aborting", "going back", "back"]
    assert (record["outcome"], locks(rollout.command.store)) == ("aborted", [])
    assert record["why"] == "It was aborted by ann@example.com: lunch."


@pytest.mark.parametrize("how", ["--resume", "--abort"])
def test_killed_when_all_is_done_it_only_leaves_its_lock(bucket_here: Rollout, gcs: BucketServer, how: str) -> None:
    rollout = bucket_here
    with killed(rollout, gcs, *LAST):
        assert rollout.json(how)["outcome"] == "promoted"
    assert rollout.predict.shares() == {NEW: 100}
    assert locks(rollout.command.store) == []


@pytest.mark.parametrize("how", ["--resume", "--abort"])
@pytest.mark.parametrize("point", GOING)
def test_killed_while_it_goes_back_it_goes_back(bucket_here: Rollout, gcs: BucketServer, point: str, how: str) -> None:
    rollout = bucket_here
    rollout.cloud.next["churn-predict"] = Revision(fails_from=25)
    with killed(rollout, gcs, point):
        rollout(how, *SHARES, code=1 if how == "--resume" else 0)
    assert rollout.predict.shares() == {OLD: 100}
    assert rollout.predict.tags() == {}
    (record,) = records(rollout.command.store)
    assert (record["outcome"], "With 25 %" in record["why"]) == ("rolled back", True)
    assert locks(rollout.command.store) == []
