"""Topics and subscriptions: which exist, and to which backlogs a message is added."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Protocol

from modelserve_control.local.pubsub.topics import messages, names, policies
from modelserve_control.local.pubsub.topics.backlog import Backlog, Clock
from modelserve_control.local.pubsub.topics.errors import (
    AlreadyExists,
    BacklogFull,
    BadInput,
    FailedPrecondition,
    NotFound,
)
from modelserve_control.local.pubsub.topics.messages import Message
from modelserve_control.local.pubsub.topics.policies import SubscriptionConfig, TopicConfig
from modelserve_control.local.pubsub.topics.schemas import DELETED_SCHEMA, Schemas, SchemaSettings
from modelserve_control.local.pubsub.topics.snapshots import Snapshot, Snapshots

# All messages are in memory, so a subscription that nobody pulls from must stop its publishers before it stops the machine.
MAX_BACKLOG_BYTES = 256 << 20


class Watcher(Protocol):
    """Its methods are called when a backlog is created, when its config is replaced, and when it is deleted."""

    def on_created(self, backlog: Backlog) -> None: ...

    def on_changed(self, backlog: Backlog) -> None: ...

    def on_deleted(self, backlog: Backlog) -> None: ...


class Broker:
    """`clock` gives seconds that never go back, `wall` seconds since 1970."""

    def __init__(self, watcher: Watcher, clock: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self._watcher = watcher
        self._clock = clock
        self._wall = wall
        self.schemas = Schemas(wall)
        self.snapshots = Snapshots(wall)
        self._topics: dict[str, TopicConfig] = {}
        self._backlogs: dict[str, Backlog] = {}
        # A subscriber that recognises redeliveries by their id must not mistake a message of the next server for one.
        self._ids = count(int(wall() * 1_000_000))

    # --- topics ---

    def create_topic(self, config: TopicConfig) -> None:
        self._check_topic(config)
        if config.name in self._topics:
            raise AlreadyExists(f"The topic {config.name} already exists.")
        self._topics[config.name] = config

    def update_topic(self, config: TopicConfig) -> None:
        self.topic(config.name)
        self._check_topic(config)
        self._topics[config.name] = config

    def topic(self, name: str) -> TopicConfig:
        if name not in self._topics:
            names.check_topic(name)
            raise NotFound(f"The topic {name} does not exist; create it first.")
        return self._topics[name]

    def topics(self, project: str) -> list[str]:
        names.check_project(project)
        return sorted(name for name in self._topics if name.startswith(f"{project}/topics/"))

    def topic_subscriptions(self, name: str) -> list[str]:
        self.topic(name)
        return sorted(backlog.config.name for backlog in self._backlogs_of(name))

    def delete_topic(self, name: str) -> None:
        """Its subscriptions keep their messages."""
        self.topic(name)
        for backlog in self._backlogs_of(name):
            backlog.config = replace(backlog.config, topic=names.DELETED_TOPIC)
        del self._topics[name]

    def publish(self, name: str, published: Sequence[Message]) -> list[str]:
        """The message ids, in order. Either all messages are accepted or none."""
        topic = self.topic(name)
        messages.check(published)
        if topic.schema:
            published = [self._with_schema(topic.schema, message) for message in published]
        backlogs = self._backlogs_of(name)
        size = sum(message.size for message in published)
        self._check_room(backlogs, size)
        self.snapshots.check_room(name, size, MAX_BACKLOG_BYTES)
        now = self._wall()
        stamped = [replace(message, message_id=str(next(self._ids)), published=now) for message in published]
        for backlog in backlogs:
            backlog.add(stamped)
        self.snapshots.add(name, stamped)
        return [message.message_id for message in stamped]

    # --- subscriptions ---

    def create_subscription(self, config: SubscriptionConfig) -> None:
        policies.check(config)
        if config.name in self._backlogs:
            raise AlreadyExists(f"The subscription {config.name} already exists.")
        self.topic(config.topic)
        self._check_dead_letter(config)
        backlog = Backlog(
            config, self._clock, lambda message, attempts: self._forward_dead_letter(backlog, message, attempts)
        )
        self._backlogs[config.name] = backlog
        self._watcher.on_created(backlog)

    def backlog(self, name: str) -> Backlog:
        if name not in self._backlogs:
            names.check_subscription(name)
            raise NotFound(f"The subscription {name} does not exist; create it first.")
        return self._backlogs[name]

    def subscriptions(self, project: str) -> list[SubscriptionConfig]:
        names.check_project(project)
        found = [name for name in self._backlogs if name.startswith(f"{project}/subscriptions/")]
        return [self._backlogs[name].config for name in sorted(found)]

    def update_subscription(self, config: SubscriptionConfig) -> None:
        backlog = self.backlog(config.name)
        policies.check(config)
        self._check_dead_letter(config)
        backlog.configure(config)
        self._watcher.on_changed(backlog)

    def delete_subscription(self, name: str) -> None:
        backlog = self.backlog(name)
        del self._backlogs[name]
        self._watcher.on_deleted(backlog)

    def create_snapshot(self, name: str, subscription: str, labels: Mapping[str, str]) -> Snapshot:
        backlog = self.backlog(subscription)
        return self.snapshots.create(name, backlog.config.topic, labels, backlog.unacked)

    def seek_to_snapshot(self, subscription: str, name: str) -> None:
        backlog, snapshot = self.backlog(subscription), self.snapshots.get(name)
        if backlog.config.topic != snapshot.topic:
            raise FailedPrecondition(f"The snapshot {name} is of another topic than the subscription {subscription}.")
        backlog.restore(snapshot.messages)

    # --- schemas ---

    def delete_schema(self, name: str) -> None:
        """Its topics take no messages any more."""
        self.schemas.delete(name)
        for topic in self._topics.values():
            if topic.schema and topic.schema.schema == name:
                deleted = replace(topic.schema, schema=DELETED_SCHEMA)
                self._topics[topic.name] = replace(topic, schema=deleted)

    # --- both ---

    def _check_topic(self, config: TopicConfig) -> None:
        policies.check_topic(config)
        if config.schema:
            self.schemas.check_settings(config.schema)

    def _with_schema(self, settings: SchemaSettings, message: Message) -> Message:
        if settings.schema == DELETED_SCHEMA:
            raise NotFound("The schema of the topic was deleted; update the topic's schema_settings.")
        attributes = {**message.attributes, **self.schemas.attributes_of(settings, message.data)}
        size = messages.message_size(message.data, attributes, message.ordering_key)
        return replace(message, attributes=attributes, size=size)

    def _backlogs_of(self, topic: str) -> list[Backlog]:
        return [backlog for backlog in self._backlogs.values() if backlog.config.topic == topic]

    def _check_dead_letter(self, config: SubscriptionConfig) -> None:
        if config.dead_letter:
            self.topic(config.dead_letter.topic)

    def _check_room(self, backlogs: Sequence[Backlog], size: int) -> None:
        for backlog in backlogs:
            if backlog.bytes + size > MAX_BACKLOG_BYTES:
                raise BacklogFull(
                    f"The subscription {backlog.config.name} holds {backlog.bytes >> 20} MiB; pull from it, turn "
                    "retain_acked_messages off, or delete it."
                )

    def _forward_dead_letter(self, backlog: Backlog, message: Message, attempts: int) -> bool:
        """False when the topic is missing or full: then the message stays and is tried again."""
        policy = backlog.config.dead_letter
        if policy is None:
            return False
        try:
            self.publish(policy.topic, [dead_letter(message, backlog.config.name, attempts)])
        except (NotFound, BacklogFull, BadInput):
            return False
        return True


def dead_letter(message: Message, subscription: str, attempts: int) -> Message:
    """The message with its source in the attributes: https://cloud.google.com/pubsub/docs/dead-letter-topics."""
    source = {
        "CloudPubSubDeadLetterSourceSubscription": subscription.rsplit("/", 1)[1],
        "CloudPubSubDeadLetterSourceSubscriptionProject": names.project_of(subscription),
        "CloudPubSubDeadLetterSourceDeliveryCount": str(attempts),
        "CloudPubSubDeadLetterSourceTopicPublishTime": messages.format_time(message.published).replace("Z", "+00:00"),
    }
    attributes = {**message.attributes, **source}
    return replace(
        message, attributes=attributes, size=messages.message_size(message.data, attributes, message.ordering_key)
    )
