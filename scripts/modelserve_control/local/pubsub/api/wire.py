"""The protobuf messages of google.pubsub.v1 as the classes of this package, and back."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import types

from modelserve_control.local.pubsub.topics.errors import BadInput
from modelserve_control.local.pubsub.topics.messages import Delivery, Message, message_size
from modelserve_control.local.pubsub.topics.policies import (
    DAY,
    DeadLetterPolicy,
    PushConfig,
    RetryPolicy,
    SubscriptionConfig,
    TopicConfig,
)
from modelserve_control.local.pubsub.topics.schemas import Revision, SchemaSettings
from modelserve_control.local.pubsub.topics.snapshots import Snapshot

# Protobuf classes are made at run time, so they have no static type.
Proto = Any

Topic = types.Topic.pb()
Schema = types.Schema.pb()
Subscription = types.Subscription.pb()
PubsubMessage = types.PubsubMessage.pb()
ReceivedMessage = types.ReceivedMessage.pb()

UNSUPPORTED = {
    "bigquery_config": "BigQuery subscriptions are not supported by this server; pull from the topic instead.",
    "cloud_storage_config": "Cloud Storage subscriptions are not supported by this server; pull from the topic instead.",
    "bigtable_config": "Bigtable subscriptions are not supported by this server; pull from the topic instead.",
    "message_transforms": "Message transforms are not supported by this server; transform in the subscriber.",
}


def read_topic(proto: Proto) -> TopicConfig:
    settings = proto.schema_settings
    return TopicConfig(
        name=proto.name,
        retention=_seconds(proto, "message_retention_duration", 0) or None,
        schema=SchemaSettings(
            settings.schema, _encoding_name(settings.encoding), settings.first_revision_id, settings.last_revision_id
        )
        if proto.HasField("schema_settings")
        else None,
        kept=proto,
    )


def write_topic(config: TopicConfig) -> Proto:
    proto = Topic()
    proto.CopyFrom(config.kept)
    proto.state = Topic.State.ACTIVE
    if config.schema:
        proto.schema_settings.schema = config.schema.schema
    return proto


def write_snapshot(snapshot: Snapshot) -> Proto:
    proto = types.Snapshot.pb()(name=snapshot.name, topic=snapshot.topic, labels=snapshot.labels)
    proto.expire_time.FromMicroseconds(int(snapshot.expires * 1_000_000))
    return proto


def write_schema(revision: Revision, view: int) -> Proto:
    """`view` is that of the request; without one the whole schema is written."""
    proto = Schema(
        name=revision.name,
        type_=Schema.Type.AVRO,
        definition="" if view == types.SchemaView.BASIC else revision.definition,
        revision_id=revision.id,
    )
    proto.revision_create_time.FromMicroseconds(int(revision.created * 1_000_000))
    return proto


def schema_kind(proto: Proto) -> str:
    """The name of its type."""
    return str(Schema.Type.Name(proto.type_))


def _encoding_name(encoding: int) -> str:
    return str(types.Encoding(encoding).name)


def read_message(proto: Proto) -> Message:
    attributes = dict(proto.attributes)
    return Message(
        proto.data, attributes, proto.ordering_key, size=message_size(proto.data, attributes, proto.ordering_key)
    )


def write_delivery(delivery: Delivery) -> Proto:
    message = delivery.message
    proto = PubsubMessage(
        data=message.data,
        attributes=message.attributes,
        message_id=message.message_id,
        ordering_key=message.ordering_key,
    )
    # Milliseconds, like Google's emulator and every text form of the time.
    proto.publish_time.FromMilliseconds(int(message.published * 1000))
    return ReceivedMessage(ack_id=delivery.ack_id, message=proto, delivery_attempt=delivery.attempt or 0)


def read_subscription(proto: Proto) -> SubscriptionConfig:
    """Raises `BadInput` for features that this server does not have."""
    for name, reason in UNSUPPORTED.items():
        given = getattr(proto, name)
        if proto.HasField(name) if hasattr(given, "DESCRIPTOR") else given:
            raise BadInput(reason)
    return SubscriptionConfig(
        name=proto.name,
        topic=proto.topic,
        ack_deadline=proto.ack_deadline_seconds or 10,
        ordered=proto.enable_message_ordering,
        exactly_once=proto.enable_exactly_once_delivery,
        retry=_read_retry(proto.retry_policy) if proto.HasField("retry_policy") else None,
        dead_letter=_read_dead_letter(proto.dead_letter_policy),
        push=read_push(proto.push_config),
        retention=_seconds(proto, "message_retention_duration", 7 * DAY),
        retain_acked=proto.retain_acked_messages,
        filter=proto.filter,
        expires=_read_expiry(proto),
        labels=dict(proto.labels),
    )


def write_subscription(config: SubscriptionConfig) -> Proto:
    proto = Subscription(
        name=config.name,
        topic=config.topic,
        ack_deadline_seconds=int(config.ack_deadline),
        enable_message_ordering=config.ordered,
        enable_exactly_once_delivery=config.exactly_once,
        labels=config.labels,
        message_retention_duration=_duration(config.retention),
        retain_acked_messages=config.retain_acked,
        filter=config.filter,
        state="ACTIVE",
    )
    proto.push_config.SetInParent()
    proto.expiration_policy.SetInParent()
    if config.expires is not None:
        proto.expiration_policy.ttl.CopyFrom(_duration(config.expires))
    if config.retry:
        proto.retry_policy.minimum_backoff.CopyFrom(_duration(config.retry.minimum))
        proto.retry_policy.maximum_backoff.CopyFrom(_duration(config.retry.maximum))
    if config.dead_letter:
        proto.dead_letter_policy.dead_letter_topic = config.dead_letter.topic
        proto.dead_letter_policy.max_delivery_attempts = config.dead_letter.max_delivery_attempts
    if config.push:
        _write_push(config.push, proto.push_config)
    return proto


def read_push(proto: Proto) -> PushConfig | None:
    if not proto.push_endpoint:
        return None
    return PushConfig(
        endpoint=proto.push_endpoint,
        wrapped=not proto.HasField("no_wrapper"),
        write_metadata=proto.no_wrapper.write_metadata,
        service_account=proto.oidc_token.service_account_email,
        audience=proto.oidc_token.audience,
        attributes=dict(proto.attributes),
    )


def _write_push(push: PushConfig, proto: Proto) -> None:
    proto.push_endpoint = push.endpoint
    proto.attributes.update(push.attributes)
    if not push.wrapped:
        proto.no_wrapper.SetInParent()
        proto.no_wrapper.write_metadata = push.write_metadata
    if push.service_account:
        proto.oidc_token.service_account_email = push.service_account
        proto.oidc_token.audience = push.audience


def _read_retry(proto: Proto) -> RetryPolicy:
    return RetryPolicy(_seconds(proto, "minimum_backoff", 10), _seconds(proto, "maximum_backoff", 600))


def _read_dead_letter(proto: Proto) -> DeadLetterPolicy | None:
    if not proto.dead_letter_topic:
        return None
    return DeadLetterPolicy(proto.dead_letter_topic, proto.max_delivery_attempts or 5)


def _read_expiry(proto: Proto) -> float | None:
    """None without a time to live: the subscription never expires."""
    if not proto.HasField("expiration_policy"):
        return 31 * DAY
    return _seconds(proto.expiration_policy, "ttl", 0) or None


def _seconds(proto: Proto, field: str, default: float) -> float:
    if not proto.HasField(field):
        return default
    duration = getattr(proto, field)
    return float(duration.seconds + duration.nanos / 1e9)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
