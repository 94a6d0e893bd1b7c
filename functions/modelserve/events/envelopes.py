"""From a request to its message: a Pub/Sub push body, a CloudEvent in binary or structured mode, or an unwrapped push.

The host's own conversion crashes on some bodies. See https://cloud.google.com/pubsub/docs/push and payload-unwrapping
there, and https://cloud.google.com/eventarc/docs/cloudevents.
"""

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


def parse(headers: Mapping[str, str], body: bytes) -> Message:
    """Never fails: a body that is not an envelope is itself the data of a message."""
    try:
        if headers.get("content-type", "").startswith("application/cloudevents+json"):
            return read_structured(strict_json.decode(body, DEPTH), body)
        if "ce-specversion" in headers or "ce-id" in headers:
            return read_binary(headers, body)
        if METADATA + "message-id" in headers:
            return read_unwrapped(headers, body)
        value = strict_json.decode(body, DEPTH)
        if is_push(value):
            return read_push(value, body)
    except MalformedRequest:
        pass
    return Message(body, content_id(body))


def is_push(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict and type(value.get("message")) is dict and value.keys() <= PUSH_KEYS


PUSH_KEYS: Final = frozenset({"message", "subscription", "deliveryAttempt"})


def read_push(envelope: Mapping[str, Any], body: bytes, fallback: str = "") -> Message:
    message = envelope["message"]
    data = message.get("data", "")
    attributes = message.get("attributes") or {}
    return Message(
        data=decode_base64(data) if type(data) is str else b"",
        message_id=first_text(message, "messageId", "message_id") or fallback or content_id(body),
        attributes={str(key): str(value) for key, value in attributes.items()} if type(attributes) is dict else {},
        published=parse_time(first_text(message, "publishTime", "publish_time")),
    )


def read_structured(value: Any, body: bytes) -> Message:
    if type(value) is not dict:
        raise MalformedRequest("A structured CloudEvent must be an object.")
    data = value.get("data")
    event_id = str(value.get("id") or "")
    if value.get("type") == PUBSUB and is_push(data):
        return read_push(data, body, event_id)
    if type(value.get("data_base64")) is str:
        raw = decode_base64(value["data_base64"])
    else:
        raw = strict_json.encode(data) if data is not None else b""
    return Message(raw, event_id or content_id(body), published=parse_time(str(value.get("time") or "")))


def read_binary(headers: Mapping[str, str], body: bytes) -> Message:
    event_id = headers.get("ce-id", "")
    if headers.get("ce-type") == PUBSUB:
        value = strict_json.decode(body, DEPTH)
        if is_push(value):
            return read_push(value, body, event_id)
    return Message(body, event_id or content_id(body), published=parse_time(headers.get("ce-time", "")))


def read_unwrapped(headers: Mapping[str, str], body: bytes) -> Message:
    """The body is the data, and headers have the metadata. Attributes cannot be distinguished from other headers."""
    return Message(
        data=body,
        message_id=headers[METADATA + "message-id"] or content_id(body),
        published=parse_time(headers.get(METADATA + "publish-time", "")),
    )


def first_text(message: Mapping[str, Any], *names: str) -> str:
    return next((str(message[name]) for name in names if message.get(name)), "")


def decode_base64(data: str) -> bytes:
    """Data that is not base64 is kept unchanged: it cannot be scored, but must reach the dead letter topic."""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return data.encode()


def content_id(body: bytes) -> str:
    """The same for every delivery of the same bytes."""
    return "sha256-" + hashlib.sha256(body).hexdigest()[:32]


def parse_time(value: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
