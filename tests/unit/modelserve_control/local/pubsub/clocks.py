"""Virtual time, and a backlog and broker that live in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelserve_control.local.pubsub.topics.backlog import Backlog
from modelserve_control.local.pubsub.topics.broker import Broker
from modelserve_control.local.pubsub.topics.messages import Delivery, Message, message_size
from modelserve_control.local.pubsub.topics.policies import SubscriptionConfig, TopicConfig

TOPIC = "projects/p/topics/rides"
DEAD = "projects/p/topics/dead"
SUBSCRIPTION = "projects/p/subscriptions/rides-pull"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Watcher:
    """Notes what a broker says about its subscriptions."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def on_created(self, backlog: Backlog) -> None:
        self.seen.append(("opened", backlog.config.name))

    def on_changed(self, backlog: Backlog) -> None:
        self.seen.append(("changed", backlog.config.name))

    def on_deleted(self, backlog: Backlog) -> None:
        self.seen.append(("closed", backlog.config.name))


def config(**fields: Any) -> SubscriptionConfig:
    return SubscriptionConfig(**{"name": SUBSCRIPTION, "topic": TOPIC, **fields})


def backlog(clock: Clock, **fields: Any) -> Backlog:
    """Without a dead letter topic that could take anything."""
    return Backlog(config(**fields), clock, lambda message, attempts: False)


def message(data: str, key: str = "", **attributes: str) -> Message:
    return Message(data.encode(), attributes, key, size=message_size(data.encode(), attributes, key))


def broker(clock: Clock) -> Broker:
    """With the two topics."""
    made = Broker(Watcher(), clock, lambda: 1_700_000_000.0)
    made.create_topic(TopicConfig(TOPIC))
    made.create_topic(TopicConfig(DEAD))
    return made


def texts(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.message.data.decode() for delivery in deliveries]


def ids(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.ack_id for delivery in deliveries]
