"""The body and headers of a push request: wrapped JSON, or the plain data with its metadata in headers."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from modelserve_control.local.pubsub.topics.messages import Delivery, format_time
from modelserve_control.local.pubsub.topics.policies import SubscriptionConfig

Headers = list[tuple[str, str]]

# RFC 9110: the characters of a header's name, and of its value on one line.
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")

# An attribute with one of these names would break the request that carries it.
OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "authorization", "content-type"})


def request(config: SubscriptionConfig, delivery: Delivery) -> tuple[Headers, bytes]:
    """https://cloud.google.com/pubsub/docs/push#receive_push and, unwrapped, .../docs/payload-unwrapping."""
    push = config.push
    if push is None or push.wrapped:
        return [("Content-Type", "application/json")], _wrapped_body(config.name, delivery)
    return _metadata_headers(config.name, delivery) if push.write_metadata else [], delivery.message.data


def _wrapped_body(subscription: str, delivery: Delivery) -> bytes:
    message = delivery.message
    published = format_time(message.published)
    inner: dict[str, Any] = {
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if message.attributes:
        inner["attributes"] = dict(message.attributes)
    if message.data:
        inner["data"] = base64.b64encode(message.data).decode()
    if message.ordering_key:
        inner["orderingKey"] = message.ordering_key
    body: dict[str, Any] = {"message": inner, "subscription": subscription}
    if delivery.attempt is not None:
        body["deliveryAttempt"] = delivery.attempt
    return json.dumps(body, separators=(",", ":")).encode()


def _metadata_headers(subscription: str, delivery: Delivery) -> Headers:
    message = delivery.message
    headers = [
        ("x-goog-pubsub-subscription-name", subscription),
        ("x-goog-pubsub-message-id", message.message_id),
        ("x-goog-pubsub-publish-time", format_time(message.published)),
    ]
    if message.ordering_key:
        headers.append(("x-goog-pubsub-ordering-key", message.ordering_key))
    headers.extend(message.attributes.items())
    return [(name, value) for name, value in headers if _is_valid_header(name, value)]


def _is_valid_header(name: str, value: str) -> bool:
    fits = HEADER_NAME.fullmatch(name) and HEADER_VALUE.fullmatch(value)
    return bool(fits) and name.lower() not in OWN_HEADERS
