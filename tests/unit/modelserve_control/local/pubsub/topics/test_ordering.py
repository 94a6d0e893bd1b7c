from __future__ import annotations

from modelserve_control.local.pubsub.topics.policies import RetryPolicy
from unit.modelserve_control.local.pubsub.clocks import Clock, backlog, ids, message, texts


def test_the_next_of_an_ordering_key_follows_the_ack_of_the_one_before() -> None:
    held = backlog(Clock(), ordered=True)
    held.add([message("a1", "a"), message("a2", "a"), message("b1", "b")])
    first = held.lease(10)
    assert texts(first) == ["a1", "b1"]
    held.ack(ids(first)[:1])
    assert texts(held.lease(10)) == ["a2"]


def test_messages_without_a_key_are_not_ordered() -> None:
    held = backlog(Clock(), ordered=True)
    held.add([message("x"), message("y")])
    assert texts(held.lease(10)) == ["x", "y"]


def test_without_ordering_on_the_subscription_keys_hold_nothing_up() -> None:
    held = backlog(Clock())
    held.add([message("a1", "a"), message("a2", "a")])
    assert texts(held.lease(10)) == ["a1", "a2"]


def test_a_redelivered_message_is_followed_by_the_rest_of_its_key_in_order() -> None:
    clock = Clock()
    held = backlog(clock, ordered=True, ack_deadline=10)
    held.add([message(text, "a") for text in ("1", "2", "3")])
    held.ack(ids(held.lease(1)))
    held.modify(ids(held.lease(1)), 0)
    held.lease(1)
    clock.advance(10)
    seen = []
    while leased := held.lease(10):
        seen += texts(leased)
        held.ack(ids(leased))
    assert seen == ["2", "3"]


def test_a_key_that_backs_off_holds_up_no_other_key() -> None:
    clock = Clock()
    held = backlog(clock, ordered=True, retry=RetryPolicy(10, 60))
    held.add([message("a1", "a"), message("a2", "a"), message("b1", "b")])
    held.modify(ids(held.lease(1)), 0)
    assert texts(held.lease(10)) == ["b1"]
    clock.advance(10)
    assert texts(held.lease(10)) == ["a1"]


def test_a_key_that_is_done_leaves_nothing_behind() -> None:
    held = backlog(Clock(), ordered=True)
    for number in range(100):
        held.add([message("x", str(number))])
        held.ack(ids(held.lease(1)))
    assert held._lanes == {}
    held.add([message("again", "1")])
    assert texts(held.lease(1)) == ["again"]


def test_the_retention_of_one_lets_the_next_of_its_key_go() -> None:
    clock = Clock()
    held = backlog(clock, ordered=True, retention=600)
    held.add([message("old", "a")])
    clock.advance(500)
    held.add([message("new", "a")])
    clock.advance(101)
    assert texts(held.lease(10)) == ["new"]
