"""Events in: a Pub/Sub push body, a CloudEvent in binary or structured mode, or a push without wrapper.

The host's own conversion drops the delivery attempt and the ordering key and crashes on some bodies, so the envelope
is read here. Shapes: https://cloud.google.com/pubsub/docs/push, https://cloud.google.com/pubsub/docs/payload-unwrapping
and https://cloud.google.com/eventarc/docs/cloudevents.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

from modelserve.core.errors import MalformedRequest
from modelserve.payloads.json import strict as strict_json

PUBSUB: Final = "google.cloud.pubsub.topic.v1.messagePublished"
METADATA: Final = "x-goog-pubsub-"
DEPTH: Final = 500  # of an envelope; the payload inside has its own limit


@dataclass(frozen=True, slots=True)
class Message:
    data: bytes
    message_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    published: datetime | None = None
    ordering_key: str = ""
    delivery_attempt: int | None = None


def parse(headers: Mapping[str, str], body: bytes) -> Message:
    """Never fails: what is no envelope is taken as the message itself, and judged as a payload."""
    try:
        if headers.get("content-type", "").startswith("application/cloudevents+json"):
            return structured(strict_json.decode(body, DEPTH), body)
        if "ce-specversion" in headers or "ce-id" in headers:
            return binary(headers, body)
        if METADATA + "message-id" in headers:
            return unwrapped(headers, body)
        value = strict_json.decode(body, DEPTH)
        if is_push(value):
            return push(value, body)
    except MalformedRequest:
        pass
    return Message(body, content_id(body))


def is_push(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict and type(value.get("message")) is dict and value.keys() <= PUSH_KEYS


PUSH_KEYS: Final = frozenset({"message", "subscription", "deliveryAttempt"})


def push(envelope: Mapping[str, Any], body: bytes, fallback: str = "") -> Message:
    message, attempt = envelope["message"], envelope.get("deliveryAttempt")
    data = message.get("data", "")
    attributes = message.get("attributes") or {}
    return Message(
        data=decode_base64(data) if type(data) is str else b"",
        message_id=text(message, "messageId", "message_id") or fallback or content_id(body),
        attributes={str(key): str(value) for key, value in attributes.items()} if type(attributes) is dict else {},
        published=instant(text(message, "publishTime", "publish_time")),
        ordering_key=text(message, "orderingKey", "ordering_key"),
        delivery_attempt=attempt if type(attempt) is int else None,
    )


def structured(value: Any, body: bytes) -> Message:
    if type(value) is not dict:
        raise MalformedRequest("A structured CloudEvent must be an object.")
    data = value.get("data")
    event_id = str(value.get("id") or "")
    if value.get("type") == PUBSUB and is_push(data):
        return push(data, body, event_id)
    if type(value.get("data_base64")) is str:
        raw = decode_base64(value["data_base64"])
    else:
        raw = strict_json.encode(data) if data is not None else b""
    return Message(raw, event_id or content_id(body), published=instant(str(value.get("time") or "")))


def binary(headers: Mapping[str, str], body: bytes) -> Message:
    event_id = headers.get("ce-id", "")
    if headers.get("ce-type") == PUBSUB:
        value = strict_json.decode(body, DEPTH)
        if is_push(value):
            return push(value, body, event_id)
    return Message(body, event_id or content_id(body), published=instant(headers.get("ce-time", "")))


def unwrapped(headers: Mapping[str, str], body: bytes) -> Message:
    """The message is the body; with metadata, its fields are headers. Attributes cannot be told from other headers."""
    return Message(
        data=body,
        message_id=headers[METADATA + "message-id"] or content_id(body),
        published=instant(headers.get(METADATA + "publish-time", "")),
        ordering_key=headers.get(METADATA + "ordering-key", ""),
    )


def text(message: Mapping[str, Any], *names: str) -> str:
    return next((str(message[name]) for name in names if message.get(name)), "")


def decode_base64(data: str) -> bytes:
    """Bytes that are not base64 are kept as they came: they cannot be scored, but they must not be lost."""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return data.encode()


def content_id(body: bytes) -> str:
    """The same bytes delivered again are the same message."""
    return "sha256-" + hashlib.sha256(body).hexdigest()[:32]


def instant(value: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
