from __future__ import annotations

from dataclasses import replace

import pytest

from modelserve_control.local.pubsub.topics.backlog import Flow
from modelserve_control.local.pubsub.topics.messages import Message
from modelserve_control.local.pubsub.topics.policies import DeadLetterPolicy, RetryPolicy
from unit.modelserve_control.local.pubsub.clocks import DEAD, Clock, backlog, ids, message, texts

MESSAGES = [message("a"), message("b"), message("c")]


def test_a_message_is_leased_to_one_subscriber_at_a_time() -> None:
    held = backlog(Clock())
    held.add(MESSAGES)
    assert texts(held.lease(2)) == ["a", "b"]
    assert texts(held.lease(2)) == ["c"]
    assert held.lease(2) == []


def test_an_acked_message_never_comes_back() -> None:
    clock = Clock()
    held = backlog(clock)
    held.add(MESSAGES)
    held.ack(ids(held.lease(3)))
    clock.advance(100_000)
    assert held.lease(3) == []
    assert held.bytes == 0


def test_an_unacked_message_comes_back_when_its_ack_deadline_has_passed() -> None:
    clock = Clock()
    held = backlog(clock, ack_deadline=10)
    held.add(MESSAGES[:1])
    first = held.lease(1)
    clock.advance(9.9)
    assert held.lease(1) == []
    clock.advance(0.1)
    second = held.lease(1)
    assert texts(second) == ["a"]
    assert ids(second) != ids(first)


def test_an_ack_after_the_deadline_is_ignored() -> None:
    clock = Clock()
    held = backlog(clock, ack_deadline=10)
    held.add(MESSAGES[:1])
    late = held.lease(1)
    clock.advance(10)
    held.tick()
    held.ack(ids(late))
    assert texts(held.lease(1)) == ["a"]


def test_a_nack_brings_the_message_back_at_once_behind_those_that_wait() -> None:
    held = backlog(Clock())
    held.add(MESSAGES)
    held.modify(ids(held.lease(1)), 0)
    assert texts(held.lease(3)) == ["b", "c", "a"]


def test_a_modified_ack_deadline_counts_from_now() -> None:
    clock = Clock()
    held = backlog(clock, ack_deadline=10)
    held.add(MESSAGES[:1])
    leased = held.lease(1)
    clock.advance(9)
    held.modify(ids(leased), 30)
    clock.advance(29)
    assert held.lease(1) == []
    clock.advance(1)
    assert texts(held.lease(1)) == ["a"]


def test_a_subscriber_may_bring_its_own_ack_deadline() -> None:
    clock = Clock()
    held = backlog(clock, ack_deadline=10)
    held.add(MESSAGES[:1])
    held.lease(1, deadline=60)
    clock.advance(59)
    assert held.lease(1) == []
    clock.advance(1)
    assert texts(held.lease(1)) == ["a"]


def test_failures_back_off_exponentially_up_to_the_maximum() -> None:
    clock = Clock()
    held = backlog(clock, retry=RetryPolicy(10, 60))
    held.add(MESSAGES[:1])
    waits = []
    for _ in range(5):
        held.modify(ids(held.lease(1)), 0)
        due = held.next_due()
        assert due is not None
        waits.append(due - clock.now)
        clock.advance(waits[-1])
    assert waits == [10, 20, 40, 60, 60]


def test_an_expired_ack_deadline_backs_off_like_a_nack() -> None:
    clock = Clock()
    held = backlog(clock, ack_deadline=10, retry=RetryPolicy(5, 60))
    held.add(MESSAGES[:1])
    held.lease(1)
    clock.advance(10)
    held.tick()
    assert held.next_due() == clock.now + 5


def test_one_message_backing_off_does_not_hold_up_the_others() -> None:
    held = backlog(Clock(), retry=RetryPolicy(10, 60))
    held.add(MESSAGES)
    held.modify(ids(held.lease(1)), 0)
    assert texts(held.lease(3)) == ["b", "c"]


def test_messages_older_than_the_retention_are_dropped() -> None:
    clock = Clock()
    held = backlog(clock, retention=600)
    held.add(MESSAGES[:1])
    clock.advance(300)
    held.add(MESSAGES[1:2])
    clock.advance(301)
    assert texts(held.lease(3)) == ["b"]
    assert held.bytes == MESSAGES[1].size


def test_delivery_attempts_are_told_only_with_a_dead_letter_policy() -> None:
    held = backlog(Clock())
    held.add(MESSAGES[:1])
    assert held.lease(1)[0].attempt is None


@pytest.mark.parametrize(("limits", "count"), [((2, 0), 2), ((0, 3), 3), ((0, 1), 1), ((0, 0), 3)])
def test_flow_control_limits_what_is_leased_at_a_time(limits: tuple[int, int], count: int) -> None:
    held = backlog(Clock())
    held.add(MESSAGES)
    flow = Flow(*limits)
    assert len(held.lease(10, flow=flow)) == count


def test_acks_nacks_and_expired_deadlines_give_flow_control_its_room_back() -> None:
    clock = Clock()
    held = backlog(clock, ack_deadline=10)
    held.add(MESSAGES)
    flow = Flow(3)
    acked, nacked, _ = ids(held.lease(3, flow=flow))
    assert not flow.has_room()
    held.ack([acked])
    held.modify([nacked], 0)
    clock.advance(10)
    held.tick()
    assert (flow.messages, flow.bytes) == (0, 0)


def test_a_waiting_subscriber_learns_of_new_and_returned_messages() -> None:
    held = backlog(Clock())
    seen: list[bool] = []
    held.on_change = lambda: seen.append(held.ready)
    held.add(MESSAGES[:1])
    leased = held.lease(1)
    held.modify(ids(leased), 0)
    assert seen == [True, False, True]


def at(text: str, published: float, key: str = "") -> Message:
    return replace(message(text, key), published=published)


def test_a_seek_ends_leases_and_delays_and_counts_attempts_anew() -> None:
    clock = Clock()
    held = backlog(clock, retry=RetryPolicy(10, 60), dead_letter=DeadLetterPolicy(DEAD, 5))
    held.add([at("a", 1), at("b", 2), at("c", 3)])
    flow = Flow(max_messages=1)
    leased = held.lease(1, flow=flow)
    held.modify(ids(held.lease(1)), 0)
    held.seek(2)
    assert flow.has_room()
    assert [(one.message.data, one.attempt) for one in held.lease(3)] == [(b"b", 1), (b"c", 1)]
    held.ack(ids(leased))
    clock.advance(10)
    assert held.lease(3) == []


def test_a_seek_keeps_the_order_of_a_key() -> None:
    held = backlog(Clock(), ordered=True, retain_acked=True)
    held.add([at("1", 1, "key"), at("2", 2, "key"), at("3", 3, "key")])
    held.ack(ids(held.lease(1)))
    held.lease(1)
    held.seek(1)
    seen = []
    while deliveries := held.lease(3):
        seen += texts(deliveries)
        held.ack(ids(deliveries))
    assert seen == ["1", "2", "3"]


def test_what_is_retained_counts_until_it_is_too_old_or_no_longer_retained() -> None:
    clock = Clock()
    held = backlog(clock, retain_acked=True, retention=600)
    held.add([at("a", 1)])
    clock.advance(300)
    held.add([at("b", 2)])
    held.ack(ids(held.lease(2)))
    assert held.bytes == 2
    clock.advance(301)
    held.lease(1)
    assert held.bytes == 1
    held.configure(replace(held.config, retain_acked=False))
    assert held.bytes == 0
    held.seek(0)
    assert held.lease(1) == []


def test_a_filter_keeps_out_what_it_does_not_match() -> None:
    held = backlog(Clock(), filter='attributes.colour = "red"')
    held.add([message("red", colour="red"), message("blue", colour="blue")])
    assert texts(held.lease(2)) == ["red"]
    assert held.bytes == message("red", colour="red").size


def test_what_is_restored_keeps_the_order_of_its_key_and_comes_once() -> None:
    first, second, third = (replace(at(str(n), n, "key"), message_id=str(n)) for n in (1, 2, 3))
    for retain in (True, False):
        held = backlog(Clock(), ordered=True, retain_acked=retain)
        held.add([first, second, third])
        held.ack(ids(held.lease(1)))
        held.restore([first, second])
        seen = []
        while deliveries := held.lease(3):
            seen += texts(deliveries)
            held.ack(ids(deliveries))
        assert seen == ["1", "2"]
        assert held.bytes == (sum(one.size for one in (first, second, third)) if retain else 0)


def test_a_restored_message_must_match_the_filter() -> None:
    held = backlog(Clock(), filter="attributes:colour")
    held.restore([replace(message("red", colour="red"), message_id="1"), replace(message("none"), message_id="2")])
    assert texts(held.lease(2)) == ["red"]
