from __future__ import annotations

import pytest

from modelserve_control.local.pubsub.topics.backlog import Backlog
from modelserve_control.local.pubsub.topics.broker import Broker
from modelserve_control.local.pubsub.topics.policies import DeadLetterPolicy, RetryPolicy
from unit.modelserve_control.local.pubsub.clocks import (
    DEAD,
    SUBSCRIPTION,
    TOPIC,
    Clock,
    broker,
    config,
    ids,
    message,
    texts,
)

GRAVE = "projects/p/subscriptions/dead-pull"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(clock: Clock) -> Broker:
    made = broker(clock)
    policy = DeadLetterPolicy(DEAD, 5)
    made.create_subscription(config(ack_deadline=10, dead_letter=policy, ordered=True))
    made.create_subscription(config(name=GRAVE, topic=DEAD))
    return made


def fail(held: Backlog, clock: Clock, times: int) -> list[int | None]:
    """By turns with a nack and an expired deadline; the attempts that were told."""
    attempts = []
    for number in range(times):
        leased = held.lease(1)
        attempts.append(leased[0].attempt)
        if number % 2:
            clock.advance(10)
            held.tick()
        else:
            held.modify(ids(leased), 0)
    return attempts


def test_nacks_and_expired_deadlines_count_as_delivery_attempts(made: Broker, clock: Clock) -> None:
    made.publish(TOPIC, [message("poison")])
    assert fail(made.backlog(SUBSCRIPTION), clock, 5) == [1, 2, 3, 4, 5]


def test_after_the_last_attempt_the_message_is_in_the_dead_letter_topic_once(made: Broker, clock: Clock) -> None:
    made.publish(TOPIC, [message("poison")])
    fail(made.backlog(SUBSCRIPTION), clock, 4)
    assert made.backlog(GRAVE).lease(10) == []
    fail(made.backlog(SUBSCRIPTION), clock, 1)
    assert texts(made.backlog(GRAVE).lease(10)) == ["poison"]
    assert made.backlog(SUBSCRIPTION).lease(10) == []


def test_a_dead_letter_says_where_it_comes_from(made: Broker, clock: Clock) -> None:
    made.publish(TOPIC, [message("poison", "key", colour="red")])
    fail(made.backlog(SUBSCRIPTION), clock, 5)
    dead = made.backlog(GRAVE).lease(1)[0].message
    assert dead.ordering_key == "key"
    assert dead.attributes == {
        "colour": "red",
        "CloudPubSubDeadLetterSourceSubscription": "rides-pull",
        "CloudPubSubDeadLetterSourceSubscriptionProject": "p",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceTopicPublishTime": "2023-11-14T22:13:20.000+00:00",
    }


def test_a_dead_letter_lets_the_next_of_its_ordering_key_go(made: Broker, clock: Clock) -> None:
    made.publish(TOPIC, [message("poison", "key"), message("fine", "key")])
    fail(made.backlog(SUBSCRIPTION), clock, 5)
    assert texts(made.backlog(SUBSCRIPTION).lease(10)) == ["fine"]


def test_without_its_dead_letter_topic_a_message_is_tried_on_instead_of_lost(made: Broker, clock: Clock) -> None:
    made.delete_topic(DEAD)
    made.publish(TOPIC, [message("poison")])
    assert fail(made.backlog(SUBSCRIPTION), clock, 7) == [1, 2, 3, 4, 5, 6, 7]


def test_an_expired_deadline_buries_without_anybody_pulling(made: Broker, clock: Clock) -> None:
    made.update_subscription(config(dead_letter=DeadLetterPolicy(DEAD, 5), retry=RetryPolicy(1, 1)))
    made.publish(TOPIC, [message("poison")])
    held = made.backlog(SUBSCRIPTION)
    for _ in range(5):
        held.lease(1)
        clock.advance(10)
        held.tick()
        clock.advance(1)
    assert texts(made.backlog(GRAVE).lease(10)) == ["poison"]
