from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelserve.store.buckets.objects import Objects
from modelserve_control.deploy.rollout import record as records
from modelserve_control.deploy.rollout.errors import NoRollout, RolloutUnderWay, TakenOver
from modelserve_control.deploy.rollout.order import Order
from modelserve_control.deploy.rollout.record import Record
from modelserve_control.registry.catalog import open_store

ORDER = Order("p", "r", (("predict", "a"), ("predict_event", "b")), reason="faster")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Objects]:
    with open_store(str(tmp_path)) as objects:
        yield objects


def begun(store: Objects) -> Record:
    return records.create(
        store, ORDER, {name: {"name": name, "pinned": f"{name}-1", "candidate": None} for name in "ab"}
    )


def test_of_two_one_gets_the_lock_and_the_other_is_told_who(store: Objects) -> None:
    first, second = begun(store), begun(store)
    records.lock(store, first, "a")
    with pytest.raises(RolloutUnderWay, match="has been rolling out a since 20"):
        records.lock(store, second, "a")
    records.lock(store, first, "a")  # a resumed rollout has it already
    records.lock(store, second, "b")


def test_the_lock_of_a_rollout_that_has_ended_or_left_no_record_is_replaced(store: Objects) -> None:
    ended, lost, next_one = begun(store), begun(store), begun(store)
    records.lock(store, ended, "a")
    records.lock(store, lost, "b")
    ended.end("promoted", "promoted", "", {})
    lost.delete()
    records.lock(store, next_one, "a")
    records.lock(store, next_one, "b")
    assert records.held(store, ["a"]).id == next_one.id


def test_a_lock_is_given_back_only_by_its_holder(store: Objects) -> None:
    first, second = begun(store), begun(store)
    records.lock(store, first, "a")
    records.unlock(store, second, ["a", "b"])
    assert records.held(store, ["b", "a"]).id == first.id
    records.unlock(store, first, ["a", "b"])
    with pytest.raises(NoRollout, match="No rollout of a or b is under way"):
        records.held(store, ["a", "b"])


def test_a_lock_without_its_record_is_cleared(store: Objects) -> None:
    lost = begun(store)
    records.lock(store, lost, "a")
    lost.delete()
    with pytest.raises(NoRollout):
        records.held(store, ["a"])
    assert not [info.name for info in store.list("releases/")]


def test_whoever_wrote_last_holds_it(store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    first = begun(store)
    records.lock(store, first, "a")
    monkeypatch.setenv("CLOUDSDK_CORE_ACCOUNT", "ben@example.com")
    second = records.held(store, ["a"])
    first.check()
    second.add("resumed", {})
    second.check()
    for late in (first.check, lambda: first.add("pinned", {})):
        with pytest.raises(TakenOver, match=r"was taken over by ben@example\.com at 20"):
            late()
    assert second.entry("pinned") is None


def test_a_candidate_is_kept_with_the_next_step(store: Objects) -> None:
    first = begun(store)
    records.lock(store, first, "a")
    first.found("a", "a-2")
    assert records.held(store, ["a"]).service("a")["candidate"] is None
    first.add("deployed", {"seen": 1})
    again = records.held(store, ["a"])
    assert (again.service("a")["candidate"], again.document["reason"]) == ("a-2", "faster")
    entry = again.entry("deployed")
    assert entry is not None
    assert entry["seen"] == 1
