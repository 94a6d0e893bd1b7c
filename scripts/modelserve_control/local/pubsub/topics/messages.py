"""Messages, their deliveries, and the limits of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from modelserve_control.local.pubsub.topics.errors import BadInput

# https://cloud.google.com/pubsub/quotas#resource_limits
MAX_REQUEST_BYTES = 10_000_000
MAX_MESSAGES = 1_000
MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE_KEY_BYTES = 256
MAX_ATTRIBUTE_VALUE_BYTES = 1_024
MAX_ORDERING_KEY_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class Message:
    """`published` is the time of publishing in seconds since 1970; `size` counts the bytes of data, attributes and key."""

    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str = ""
    message_id: str = ""
    published: float = 0.0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt. `attempt` counts from 1 and is None without a dead letter policy."""

    ack_id: str
    message: Message
    attempt: int | None


def message_size(data: bytes, attributes: Mapping[str, str], ordering_key: str) -> int:
    total = len(data) + len(ordering_key.encode())
    for key, value in attributes.items():
        total += len(key.encode()) + len(value.encode())
    return total


def format_time(seconds: float) -> str:
    """Seconds since 1970 as `2026-08-12T15:56:29.732Z`, to the millisecond like Google's push bodies."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check(messages: Sequence[Message]) -> None:
    """Raises `BadInput` unless they can be published in one request."""
    if not 0 < len(messages) <= MAX_MESSAGES:
        raise BadInput(f"A publish request has 1 to {MAX_MESSAGES} messages, not {len(messages)}.")
    if sum(message.size for message in messages) > MAX_REQUEST_BYTES:
        raise BadInput(f"A publish request holds at most {MAX_REQUEST_BYTES} bytes; publish fewer or smaller messages.")
    for message in messages:
        _check(message)


def _check(message: Message) -> None:
    if not message.data and not message.attributes:
        raise BadInput("A message must have data or at least one attribute.")
    if len(message.ordering_key.encode()) > MAX_ORDERING_KEY_BYTES:
        raise BadInput(f"An ordering key has at most {MAX_ORDERING_KEY_BYTES} bytes.")
    if len(message.attributes) > MAX_ATTRIBUTES:
        raise BadInput(f"A message has at most {MAX_ATTRIBUTES} attributes.")
    for key, value in message.attributes.items():
        if not 0 < len(key.encode()) <= MAX_ATTRIBUTE_KEY_BYTES or len(value.encode()) > MAX_ATTRIBUTE_VALUE_BYTES:
            raise BadInput(
                f"An attribute has a key of 1 to {MAX_ATTRIBUTE_KEY_BYTES} bytes "
                f"and a value of at most {MAX_ATTRIBUTE_VALUE_BYTES} bytes."
            )
