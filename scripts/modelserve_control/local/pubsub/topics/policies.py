"""The config of a subscription: ack deadline, retry policy, dead letter policy, push config. Times in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from modelserve_control.local.pubsub.topics import filters, names
from modelserve_control.local.pubsub.topics.errors import BadInput
from modelserve_control.local.pubsub.topics.schemas import SchemaSettings

DAY = 86_400.0


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff per message: `minimum`, doubled with every failure, up to `maximum`."""

    minimum: float = 10.0
    maximum: float = 600.0

    def delay(self, failures: int) -> float:
        # The exponent is bounded because a float overflows at 2 ** 1024.
        return min(self.maximum, self.minimum * 2.0 ** min(failures - 1, 64))


IMMEDIATE = RetryPolicy(0.0, 0.0)
PUSH_BACKOFF = RetryPolicy(0.1, 60.0)  # https://cloud.google.com/pubsub/docs/push#push_backoff


@dataclass(frozen=True)
class DeadLetterPolicy:
    topic: str
    max_delivery_attempts: int = 5


@dataclass(frozen=True)
class PushConfig:
    """`wrapped`: the JSON envelope; otherwise the data is the body, with the metadata in headers if `write_metadata`."""

    endpoint: str
    wrapped: bool = True
    write_metadata: bool = False
    service_account: str = ""
    audience: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TopicConfig:
    """`kept` is what the API keeps and no rule reads."""

    name: str
    retention: float | None = None
    schema: SchemaSettings | None = None
    kept: Any = None


@dataclass(frozen=True)
class SubscriptionConfig:
    """`expires` None: never. The rules follow the API reference of google.pubsub.v1.Subscription; an ack deadline under
    10 s, which the service refuses, is allowed as in Google's emulator, so that local tests need not wait."""

    name: str
    topic: str
    ack_deadline: float = 10.0
    ordered: bool = False
    exactly_once: bool = False
    retry: RetryPolicy | None = None
    dead_letter: DeadLetterPolicy | None = None
    push: PushConfig | None = None
    retention: float = 7 * DAY
    retain_acked: bool = False
    filter: str = ""
    expires: float | None = 31 * DAY
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def backoff(self) -> RetryPolicy:
        return self.retry or (PUSH_BACKOFF if self.push else IMMEDIATE)


def check(config: SubscriptionConfig) -> None:
    """Raises `BadInput` for a config that the service would refuse."""
    names.check_subscription(config.name)
    _check_range("ack_deadline_seconds", config.ack_deadline, 0, 600)
    _check_range("message_retention_duration", config.retention, 600, 31 * DAY)
    filters.parse(config.filter)
    if config.retry:
        _check_range("retry_policy.minimum_backoff", config.retry.minimum, 0, 600)
        _check_range("retry_policy.maximum_backoff", config.retry.maximum, config.retry.minimum, 600)
    if config.dead_letter:
        names.check_topic(config.dead_letter.topic)
        _check_range("dead_letter_policy.max_delivery_attempts", config.dead_letter.max_delivery_attempts, 5, 100)
    if config.push:
        if config.exactly_once:
            raise BadInput("enable_exactly_once_delivery is for subscriptions that are pulled, not pushed.")
        _check_endpoint(config.push.endpoint)


def check_topic(config: TopicConfig) -> None:
    """Raises `BadInput`."""
    names.check_topic(config.name)
    if config.retention is not None:
        _check_range("message_retention_duration", config.retention, 600, 31 * DAY)


def _check_range(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadInput(f"{field} must be from {low:g} to {high:g}, not {value:g}.")


def _check_endpoint(endpoint: str) -> None:
    try:
        url = urlsplit(endpoint)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in endpoint):
        raise BadInput(f"push_endpoint must be an http:// or https:// URL, not {endpoint!r}.")
