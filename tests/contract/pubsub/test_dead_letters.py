from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from contract.pubsub import differences
from contract.pubsub.backends import Backend, Names, text
from contract.pubsub.endpoints import Endpoint

QUICK = {"minimum_backoff": timedelta(milliseconds=10), "maximum_backoff": timedelta(milliseconds=20)}


def policy(names: Names) -> dict[str, Any]:
    return {"dead_letter_topic": names.dead, "max_delivery_attempts": 5}


def test_nacked_five_times_a_message_is_a_dead_letter(backend: Backend, names: Names) -> None:
    backend.make(names, dead_letter_policy=policy(names))
    backend.publish(names, "poison", colour="red")
    attempts = []
    for _ in range(5):
        received = backend.pull(names.subscription, 1)
        attempts.append(received[0].delivery_attempt)
        backend.modify(names.subscription, received, 0)
    if not differences.expected_value(backend.name, "a dead letter is forwarded without another pull of its source"):
        assert backend.pull_now(names.subscription) == []
    (dead,) = backend.pull(names.dead_subscription, 1)
    assert attempts == [1, 2, 3, 4, 5]
    assert text(dead) == "poison"
    assert dead.message.attributes["colour"] == "red"
    assert dead.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert dead.message.attributes["CloudPubSubDeadLetterSourceSubscription"] == names.subscription.rsplit("/", 1)[1]
    assert dead.message.attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] == "contract"
    assert dead.message.attributes["CloudPubSubDeadLetterSourceTopicPublishTime"]


def test_pushed_five_times_in_vain_a_message_is_a_dead_letter(
    backend: Backend, names: Names, endpoint: Endpoint
) -> None:
    endpoint.statuses = [500]
    push = {"push_endpoint": endpoint.url}
    backend.make(names, push_config=push, dead_letter_policy=policy(names), retry_policy=QUICK)
    backend.publish(names, "poison")
    pushes = [endpoint.next() for _ in range(5)]
    (dead,) = backend.pull(names.dead_subscription, 1)
    assert text(dead) == "poison"
    assert {base64.b64decode(push.message["data"]) for push in pushes} == {b"poison"}
    told = [push.json.get("deliveryAttempt") for push in pushes]
    carried = differences.expected_value(backend.name, "wrapped push carries deliveryAttempt with a dead letter policy")
    assert told == ([1, 2, 3, 4, 5] if carried else [None] * 5)
