from __future__ import annotations

from dataclasses import replace

import pytest

from modelserve_control.local.pubsub.topics import broker as module
from modelserve_control.local.pubsub.topics.broker import Broker
from modelserve_control.local.pubsub.topics.errors import AlreadyExists, BacklogFull, BadInput, NotFound
from modelserve_control.local.pubsub.topics.policies import (
    DeadLetterPolicy,
    PushConfig,
    RetryPolicy,
    SubscriptionConfig,
    TopicConfig,
)
from unit.modelserve_control.local.pubsub.clocks import (
    DEAD,
    SUBSCRIPTION,
    TOPIC,
    Clock,
    Watcher,
    broker,
    config,
    ids,
    message,
    texts,
)


def test_every_subscription_of_a_topic_gets_every_message() -> None:
    made = broker(Clock())
    other = "projects/p/subscriptions/other"
    made.create_subscription(config())
    made.create_subscription(config(name=other))
    made.publish(TOPIC, [message("a"), message("b")])
    assert texts(made.backlog(SUBSCRIPTION).lease(9)) == texts(made.backlog(other).lease(9)) == ["a", "b"]


def test_message_ids_are_unique_also_after_a_restart() -> None:
    before, after = Broker(Watcher(), Clock(), lambda: 1_000.0), Broker(Watcher(), Clock(), lambda: 1_001.0)
    for made in (before, after):
        made.create_topic(TopicConfig(TOPIC))
    first, second = before.publish(TOPIC, [message("a"), message("b")])
    assert len({first, second, *after.publish(TOPIC, [message("a")])}) == 3


def test_a_subscription_gets_only_what_is_published_after_it_was_made() -> None:
    made = broker(Clock())
    made.publish(TOPIC, [message("before")])
    made.create_subscription(config())
    assert made.backlog(SUBSCRIPTION).lease(1) == []


def test_a_deleted_topic_leaves_its_subscriptions_with_what_they_hold() -> None:
    made = broker(Clock())
    made.create_subscription(config())
    made.publish(TOPIC, [message("a")])
    made.delete_topic(TOPIC)
    assert made.backlog(SUBSCRIPTION).config.topic == "_deleted-topic_"
    assert texts(made.backlog(SUBSCRIPTION).lease(1)) == ["a"]


def test_what_does_not_exist_is_not_found() -> None:
    made = broker(Clock())
    with pytest.raises(NotFound, match="projects/p/topics/none"):
        made.publish("projects/p/topics/none", [message("a")])
    with pytest.raises(NotFound):
        made.create_subscription(config(topic="projects/p/topics/none"))
    with pytest.raises(NotFound):
        made.create_subscription(config(dead_letter=DeadLetterPolicy("projects/p/topics/none")))
    with pytest.raises(NotFound):
        made.backlog(SUBSCRIPTION)


def test_what_exists_is_not_made_again() -> None:
    made = broker(Clock())
    made.create_subscription(config())
    with pytest.raises(AlreadyExists):
        made.create_topic(TopicConfig(TOPIC))
    with pytest.raises(AlreadyExists):
        made.create_subscription(config())


@pytest.mark.parametrize(
    "wrong",
    [
        config(name="projects/p/subscriptions/1x"),
        config(name="projects/p/topics/rides"),
        config(name="projects/p/subscriptions/google-rides"),
        config(ack_deadline=601),
        config(retention=599),
        config(retry=RetryPolicy(1, 601)),
        config(retry=RetryPolicy(60, 10)),
        config(dead_letter=DeadLetterPolicy(DEAD, 4)),
        config(dead_letter=DeadLetterPolicy(DEAD, 101)),
        config(push=PushConfig("ftp://127.0.0.1/x")),
        config(push=PushConfig("http://127.0.0.1:99999/x")),
        config(push=PushConfig("http://127.0.0.1/x y\r\nz")),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused_and_leaves_nothing(wrong: SubscriptionConfig) -> None:
    made = broker(Clock())
    with pytest.raises(BadInput):
        made.create_subscription(wrong)
    assert made.subscriptions("projects/p") == []


def test_a_full_backlog_stops_publishing_until_it_is_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BACKLOG_BYTES", 10)
    made = broker(Clock())
    made.create_subscription(config())
    made.publish(TOPIC, [message("12345678")])
    with pytest.raises(BacklogFull, match="rides-pull"):
        made.publish(TOPIC, [message("123")])
    held = made.backlog(SUBSCRIPTION)
    held.ack(ids(held.lease(1)))
    made.publish(TOPIC, [message("123")])


def test_whoever_watches_is_told_of_made_changed_and_deleted_subscriptions() -> None:
    watcher = Watcher()
    made = Broker(watcher, Clock())
    made.create_topic(TopicConfig(TOPIC))
    made.create_subscription(config())
    made.update_subscription(replace(config(), ack_deadline=20))
    made.delete_subscription(SUBSCRIPTION)
    assert watcher.seen == [("opened", SUBSCRIPTION), ("changed", SUBSCRIPTION), ("closed", SUBSCRIPTION)]
