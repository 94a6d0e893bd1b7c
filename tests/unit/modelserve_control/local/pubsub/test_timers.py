from __future__ import annotations

from modelserve_control.local.pubsub.timers import Timers


def test_keys_come_when_they_are_due_and_earliest_first() -> None:
    timers: Timers[str] = Timers()
    timers.set("late", 30)
    timers.set("early", 10)
    timers.set("middle", 20)
    assert timers.next() == 10
    assert timers.pop(20) == ["early", "middle"]
    assert timers.pop(20) == []
    assert timers.next() == 30


def test_keys_due_at_the_same_time_come_in_the_order_they_were_set() -> None:
    timers: Timers[str] = Timers()
    for key in "cab":
        timers.set(key, 1)
    assert timers.pop(1) == ["c", "a", "b"]


def test_setting_again_moves_the_deadline() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 10)
    timers.set("a", 50)
    assert timers.pop(49) == []
    timers.set("a", 20)
    assert timers.pop(20) == ["a"]
    assert timers.next() is None


def test_a_cancelled_deadline_never_comes() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 10)
    timers.cancel("a")
    timers.cancel("never set")
    assert timers.next() is None
    assert timers.pop(100) == []


def test_cancelled_deadlines_do_not_fill_the_memory() -> None:
    timers: Timers[int] = Timers()
    for key in range(10_000):
        timers.set(key, 600)
        timers.cancel(key)
    assert len(timers) == 0
    assert len(timers._heap) < 200
