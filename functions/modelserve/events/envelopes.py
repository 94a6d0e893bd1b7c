"""From a request to its messages: a Pub/Sub push body, a CloudEvent in binary or structured mode, a batch of CloudEvents,
or an unwrapped push.

The host's own conversion crashes on some bodies. See https://cloud.google.com/pubsub/docs/push and payload-unwrapping
there, https://cloud.google.com/eventarc/docs/cloudevents, and http-protocol-binding.md and json-format.md in
https://github.com/cloudevents/spec.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard
from urllib.parse import unquote

from modelserve.core.errors import BadInput, MalformedRequest, TooLarge
from modelserve.payloads.json import strict as strict_json

PUBSUB: Final = "google.cloud.pubsub.topic.v1.messagePublished"
METADATA: Final = "x-goog-pubsub-"
CLOUD_EVENTS: Final = "application/cloudevents"
STRUCTURED, BATCH = f"{CLOUD_EVENTS}+json", f"{CLOUD_EVENTS}-batch+json"
DEPTH: Final = 500  # of an envelope; the payload inside has its own limit
PUSH_KEYS: Final = frozenset({"message", "subscription", "deliveryAttempt"})
MESSAGE_KEYS: Final = frozenset({"data", "attributes", "messageId", "message_id"})


@dataclass(frozen=True, slots=True)
class Message:
    """`error` tells why `data` is for the dead letter topic, whatever it holds."""

    data: bytes
    message_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    published: datetime | None = None
    error: BadInput | None = field(default=None, compare=False)


def parse(headers: Mapping[str, str], body: bytes, max_events: int) -> list[Message]:
    """Never fails: a body that is not an envelope is itself the data of a message. Empty only for an empty batch."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media == BATCH:
            return read_batch(strict_json.decode(body, DEPTH), max_events)
        return [read_one(media, headers, body)]
    except BadInput as error:
        return [Message(body, content_id(body), error=error if media.startswith(CLOUD_EVENTS) else None)]


def read_one(media: str, headers: Mapping[str, str], body: bytes) -> Message:
    if media == STRUCTURED:
        return read_structured(strict_json.decode(body, DEPTH), body)
    if media.startswith(CLOUD_EVENTS):
        raise MalformedRequest(f"CloudEvents are read as {STRUCTURED}, as {BATCH} or in binary mode.")
    if "ce-specversion" in headers or "ce-id" in headers:
        return read_binary(headers, body)
    if METADATA + "message-id" in headers:
        return read_unwrapped(headers, body)
    value = strict_json.decode(body, DEPTH)
    return read_push(value, body) if is_push(value) else Message(body, content_id(body))


def read_batch(events: Any, max_events: int) -> list[Message]:
    """One message for each event. What is not an event is a message with its error."""
    if type(events) is not list:
        raise MalformedRequest("A batch of CloudEvents must be a list.")
    if len(events) > max_events:
        raise TooLarge.over_limit(max_events, "events", "MAX_ROWS", "A batch of CloudEvents")
    return [read_batched(event) for event in events]


def read_batched(event: Any) -> Message:
    body = strict_json.encode(event)
    try:
        return read_structured(event, body)
    except BadInput as error:
        return Message(body, content_id(body), error=error)


def is_push(value: Any) -> TypeGuard[dict[str, Any]]:
    """A record may have a field `message` too; other keys are ignored only beside a message of Pub/Sub."""
    if type(value) is not dict or type(message := value.get("message")) is not dict:
        return False
    return value.keys() <= PUSH_KEYS or not MESSAGE_KEYS.isdisjoint(message)


def read_push(envelope: Mapping[str, Any], body: bytes, fallback: str = "") -> Message:
    message = envelope["message"]
    data, error = read_base64("data", message.get("data"))
    attributes = message.get("attributes") or {}
    return Message(
        data=data,
        message_id=first_text(message, "messageId", "message_id") or fallback or content_id(body),
        attributes={str(key): str(value) for key, value in attributes.items()} if type(attributes) is dict else {},
        published=parse_time(first_text(message, "publishTime", "publish_time")),
        error=error,
    )


def read_structured(event: Any, body: bytes) -> Message:
    if type(event) is not dict:
        raise MalformedRequest("A structured CloudEvent must be an object.")
    data, encoded = event.get("data"), event.get("data_base64")
    event_id = str(event.get("id") or "")
    if event.get("type") == PUBSUB and is_push(data):
        return read_push(data, body, event_id)
    if data is not None and encoded is not None:
        raise MalformedRequest("A CloudEvent has data or data_base64, not both.")
    error = None
    if encoded is not None:
        raw, error = read_base64("data_base64", encoded)
    elif type(data) is str and not is_json(str(event.get("datacontenttype") or "")):
        raw = data.encode()
    else:
        raw = strict_json.encode(data) if data is not None else b""
    context = {f"ce-{key}": str(value) for key, value in event.items() if key not in ("data", "data_base64")}
    return Message(raw, event_id or content_id(body), context, parse_time(str(event.get("time") or "")), error)


def is_json(media: str) -> bool:
    """As the JSON format has it: without a type the data is JSON."""
    kind = media.partition(";")[0].strip().lower()
    return not kind or kind.endswith(("/json", "+json"))


def read_binary(headers: Mapping[str, str], body: bytes) -> Message:
    context = {key: unquote(value) for key, value in headers.items() if key.startswith("ce-")}
    event_id = context.get("ce-id", "")
    if context.get("ce-type") == PUBSUB:
        value = strict_json.decode(body, DEPTH)
        if is_push(value):
            return read_push(value, body, event_id)
    return Message(body, event_id or content_id(body), context, parse_time(context.get("ce-time", "")))


def read_unwrapped(headers: Mapping[str, str], body: bytes) -> Message:
    """The body is the data, and headers have the metadata. Attributes cannot be distinguished from other headers."""
    return Message(
        data=body,
        message_id=headers[METADATA + "message-id"] or content_id(body),
        published=parse_time(headers.get(METADATA + "publish-time", "")),
    )


def first_text(message: Mapping[str, Any], *names: str) -> str:
    return next((str(message[name]) for name in names if message.get(name)), "")


def read_base64(name: str, data: Any) -> tuple[bytes, BadInput | None]:
    """Data that is not base64 is kept unchanged: it cannot be scored, but must reach the dead letter topic."""
    if data is None:
        return b"", None
    if type(data) is not str:
        return strict_json.encode(data), MalformedRequest(f"The field {name} of the envelope must be a base64 string.")
    try:
        return base64.b64decode(data, validate=True), None
    except (binascii.Error, ValueError):
        return data.encode(), MalformedRequest(f"The field {name} of the envelope is not base64.")


def content_id(body: bytes) -> str:
    """The same for every delivery of the same bytes."""
    return "sha256-" + hashlib.sha256(body).hexdigest()[:32]


def parse_time(value: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
