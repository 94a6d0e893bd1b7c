from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelserve.events.envelopes import PUBSUB, Message, content_id, parse

RIDE = b'{"ride_id": 156}'
ENCODED = base64.b64encode(RIDE).decode()
NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)
MESSAGE = {"data": ENCODED, "messageId": "7", "publishTime": "2024-01-02T12:00:00Z", "attributes": {"k": "v"}}
PUSH = {"message": MESSAGE | {"orderingKey": "o"}, "subscription": "s", "deliveryAttempt": 3}
CE = {"ce-specversion": "1.0", "ce-id": "e1", "ce-type": "com.example", "ce-time": "2024-01-02T12:00:00Z"}
CLOUD_EVENT = {"content-type": "application/cloudevents+json; charset=utf-8"}
EVENT = {"specversion": "1.0", "id": "e1", "type": "com.example", "time": "2024-01-02T12:00:00Z"}
META = "x-goog-pubsub-"


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def own(data: bytes = RIDE, message_id: str = "e1") -> Message:
    return Message(data, message_id, published=NOON)


MODES: dict[str, tuple[dict[str, str], bytes, Message]] = {
    "push": ({}, dump(PUSH), Message(RIDE, "7", {"k": "v"}, NOON)),
    "push of older fields": (
        {},
        dump({"message": {"data": ENCODED, "message_id": 7, "publish_time": "2024-01-02T12:00:00.123456789Z"}}),
        Message(RIDE, "7", {}, NOON.replace(microsecond=123456)),
    ),
    "push of attributes only": ({}, dump({"message": {"attributes": {"k": "v"}, "messageId": "7"}}), Message(b"", "7", {"k": "v"})),
    "unwrapped with metadata": (
        {META + "message-id": "7", META + "publish-time": "2024-01-02T12:00:00", META + "ordering-key": "o"},
        RIDE,
        Message(RIDE, "7", {}, NOON),
    ),
    "unwrapped without an id": ({META + "message-id": ""}, RIDE, Message(RIDE, content_id(RIDE))),
    "unwrapped without metadata": ({}, RIDE, Message(RIDE, content_id(RIDE))),
    "binary": (CE, RIDE, own()),
    "binary of Pub/Sub": (CE | {"ce-type": PUBSUB}, dump(PUSH), Message(RIDE, "7", {"k": "v"}, NOON)),
    "binary of Pub/Sub without an id": (CE | {"ce-type": PUBSUB}, dump({"message": {"data": ENCODED}}), Message(RIDE, "e1")),
    "binary of Pub/Sub without a push body": (CE | {"ce-type": PUBSUB}, RIDE, own()),
    "binary without an id": ({"ce-specversion": "1.0"}, RIDE, Message(RIDE, content_id(RIDE))),
    "structured": (CLOUD_EVENT, dump(EVENT | {"data": {"ride_id": 1}}), own(b'{"ride_id":1}')),
    "structured base64": (CLOUD_EVENT, dump(EVENT | {"data_base64": ENCODED}), own()),
    "structured without data": (CLOUD_EVENT, dump(EVENT), own(b"")),
    "structured of Pub/Sub": (CLOUD_EVENT, dump(EVENT | {"type": PUBSUB, "data": PUSH}), Message(RIDE, "7", {"k": "v"}, NOON)),
    "structured without an id": (CLOUD_EVENT, dump({"data_base64": ENCODED}), Message(RIDE, content_id(dump({"data_base64": ENCODED})))),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_gives_the_same_message(mode: str) -> None:
    headers, body, message = MODES[mode]
    assert parse(headers, body) == message


GARBAGE: list[tuple[dict[str, str], bytes]] = [
    ({}, b""),
    ({}, b"not json"),
    ({}, b"[1]"),
    ({}, b'{"message": 5}'),
    ({}, b'{"message": {}, "ride": 1}'),
    ({}, b'{"message": {"data": "a"}, "message": {}}'),
    (CLOUD_EVENT, b"not json"),
    (CLOUD_EVENT, b"[1]"),
    (CE | {"ce-type": PUBSUB}, b"not json"),
]


@pytest.mark.parametrize(("headers", "body"), GARBAGE)
def test_what_is_no_envelope_is_the_message_itself(headers: dict[str, str], body: bytes) -> None:
    assert parse(headers, body) == Message(body, content_id(body))


@pytest.mark.parametrize(("data", "kept"), [("%%%", b"%%%"), ("é", "é".encode()), (5, b""), (None, b"")])
def test_data_that_is_not_base64_is_kept_for_the_dead_letter(data: Any, kept: bytes) -> None:
    assert parse({}, dump({"message": {"data": data, "messageId": "7"}})).data == kept


@pytest.mark.parametrize("field", [{"attributes": [1]}, {"attributes": 5}, {"publishTime": "soon"}, {"publishTime": 5}])
def test_fields_of_another_type_are_left_out(field: dict[str, Any]) -> None:
    assert parse({}, dump({"message": {"data": ENCODED, "messageId": "7"} | field})) == Message(RIDE, "7")


def test_attributes_are_texts() -> None:
    assert parse({}, dump({"message": {"attributes": {"k": 5}, "messageId": "7"}})).attributes == {"k": "5"}


def test_integers_of_a_structured_event_keep_every_digit() -> None:
    assert (
        parse(CLOUD_EVENT, b'{"id":"1","data":{"n":12345678901234567890123}}').data == b'{"n":12345678901234567890123}'
    )


def test_the_same_bytes_delivered_again_have_the_same_id() -> None:
    assert content_id(RIDE) == content_id(RIDE) != content_id(RIDE + b" ")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(ENCODED),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*MESSAGE, *PUSH, *EVENT, "x"]), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
HEADERS = st.sampled_from([{}, CE, CE | {"ce-type": PUBSUB}, CLOUD_EVENT, {META + "message-id": "7"}])


@settings(max_examples=300)
@given(HEADERS, st.binary(max_size=50) | VALUES.map(dump) | VALUES.map(lambda v: dump({"message": v})))
def test_garbage_never_raises(headers: dict[str, str], body: bytes) -> None:
    message = parse(headers, body)
    assert isinstance(message.data, bytes)
    assert message.message_id
