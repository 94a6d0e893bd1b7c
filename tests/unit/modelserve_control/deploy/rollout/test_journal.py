from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelserve.store.buckets.objects import Objects
from modelserve_control.deploy.rollout import journal as journals
from modelserve_control.deploy.rollout.errors import NoRollout, RolloutUnderWay, TakenOver
from modelserve_control.deploy.rollout.journal import RolloutJournal
from modelserve_control.deploy.rollout.options import RolloutOptions
from modelserve_control.registry.catalog import open_store

OPTIONS = RolloutOptions("p", "r", (("predict", "a"), ("predict_event", "b")), reason="faster")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Objects]:
    with open_store(str(tmp_path)) as objects:
        yield objects


def begin(store: Objects) -> RolloutJournal:
    return journals.create(
        store, OPTIONS, {name: {"name": name, "pinned": f"{name}-1", "candidate": None} for name in "ab"}
    )


def test_of_two_one_gets_the_lock_and_the_other_is_told_who(store: Objects) -> None:
    first, second = begin(store), begin(store)
    journals.lock(store, first, ["a"])
    with pytest.raises(RolloutUnderWay, match="has been rolling out a since 20"):
        journals.lock(store, second, ["a"])
    journals.lock(store, first, ["a"])  # a resumed rollout has it already
    journals.lock(store, second, ["b"])


def test_the_lock_of_a_rollout_that_has_ended_or_left_no_record_is_replaced(store: Objects) -> None:
    ended, lost, next_one = begin(store), begin(store), begin(store)
    journals.lock(store, ended, ["a"])
    journals.lock(store, lost, ["b"])
    ended.end("promoted", "", "promoted")
    lost.delete()
    journals.lock(store, next_one, ["a"])
    journals.lock(store, next_one, ["b"])
    assert journals.find_rollout(store, ["a"]).id == next_one.id


def test_a_lock_is_given_back_only_by_its_holder(store: Objects) -> None:
    first, second = begin(store), begin(store)
    journals.lock(store, first, ["a"])
    journals.unlock(store, second, ["a", "b"])
    assert journals.find_rollout(store, ["b", "a"]).id == first.id
    journals.unlock(store, first, ["a", "b"])
    with pytest.raises(NoRollout, match="No rollout of a or b is under way"):
        journals.find_rollout(store, ["a", "b"])


def test_a_lock_without_its_record_is_cleared(store: Objects) -> None:
    lost = begin(store)
    journals.lock(store, lost, ["a"])
    lost.delete()
    with pytest.raises(NoRollout):
        journals.find_rollout(store, ["a"])
    assert not [info.name for info in store.list("releases/")]


def test_whoever_wrote_last_holds_it(store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    first = begin(store)
    journals.lock(store, first, ["a"])
    monkeypatch.setenv("CLOUDSDK_CORE_ACCOUNT", "ben@example.com")
    second = journals.find_rollout(store, ["a"])
    first.check()
    second.add("resumed")
    second.check()
    for late in (first.check, lambda: first.add("pinned")):
        with pytest.raises(TakenOver, match=r"was taken over by ben@example\.com at 20"):
            late()
    assert second.step("pinned") is None


def test_a_candidate_is_kept_with_the_next_step(store: Objects) -> None:
    first = begin(store)
    journals.lock(store, first, ["a"])
    first.service("a")["candidate"] = "a-2"
    assert journals.find_rollout(store, ["a"]).service("a")["candidate"] is None
    first.add("deployed", seen=1)
    again = journals.find_rollout(store, ["a"])
    assert (again.service("a")["candidate"], again.document["reason"]) == ("a-2", "faster")
    entry = again.step("deployed")
    assert entry is not None
    assert entry["seen"] == 1
