from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelserve.core.errors import BadInput
from modelserve.events import envelopes
from modelserve.events.envelopes import PUBSUB, Message, content_id

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


def parse(headers: dict[str, str], body: bytes) -> Message:
    (message,) = envelopes.parse(headers, body, 10)
    return message


def error_of(message: Message) -> str:
    return message.error.message if isinstance(message.error, BadInput) else ""


def own(data: bytes = RIDE, message_id: str = "e1", **context: str) -> Message:
    """With what the event says of itself."""
    names = {f"ce-{name}": value for name, value in (EVENT | context).items()}
    return Message(data, message_id, names, NOON)


MODES: dict[str, tuple[dict[str, str], bytes, Message]] = {
    "push": ({}, dump(PUSH), Message(RIDE, "7", {"k": "v"}, NOON)),
    "push of older fields": (
        {},
        dump({"message": {"data": ENCODED, "message_id": 7, "publish_time": "2024-01-02T12:00:00.123456789Z"}}),
        Message(RIDE, "7", {}, NOON.replace(microsecond=123456)),
    ),
    "push of attributes only": ({}, dump({"message": {"attributes": {"k": "v"}, "messageId": "7"}}), Message(b"", "7", {"k": "v"})),
    "push with more keys": ({}, dump(PUSH | {"region": "europe-west1"}), Message(RIDE, "7", {"k": "v"}, NOON)),
    "push of attributes with more keys": ({}, dump({"message": {"attributes": {"k": "v"}, "messageId": "7"}, "a": 1}), Message(b"", "7", {"k": "v"})),
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
    "binary of Pub/Sub without a push body": (CE | {"ce-type": PUBSUB}, RIDE, own(type=PUBSUB)),
    "binary without an id": ({"ce-specversion": "1.0"}, RIDE, Message(RIDE, content_id(RIDE), {"ce-specversion": "1.0"})),
    "binary of an id in percent-encoding": (CE | {"ce-id": "caf%C3%A9%25"}, RIDE, own(message_id="café%", id="café%")),
    "structured": (CLOUD_EVENT, dump(EVENT | {"data": {"ride_id": 1}}), own(b'{"ride_id":1}')),
    "structured in capitals": ({"content-type": "Application/CloudEvents+JSON"}, dump(EVENT | {"data": {"ride_id": 1}}), own(b'{"ride_id":1}')),
    "structured of text": (CLOUD_EVENT, dump(EVENT | {"datacontenttype": "Text/CSV", "data": "a,b"}), own(b"a,b", datacontenttype="Text/CSV")),
    "structured of a JSON string": (CLOUD_EVENT, dump(EVENT | {"datacontenttype": "application/problem+json; v=1", "data": "a,b"}), own(b'"a,b"', datacontenttype="application/problem+json; v=1")),
    "structured base64": (CLOUD_EVENT, dump(EVENT | {"data_base64": ENCODED}), own()),
    "structured without data": (CLOUD_EVENT, dump(EVENT), own(b"")),
    "structured of Pub/Sub": (CLOUD_EVENT, dump(EVENT | {"type": PUBSUB, "data": PUSH}), Message(RIDE, "7", {"k": "v"}, NOON)),
    "structured without an id": (CLOUD_EVENT, dump({"data_base64": ENCODED}), Message(RIDE, content_id(dump({"data_base64": ENCODED})), {})),
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
    ({"content-type": "application/cloudevents-batch+json"}, b'{"id": "1"}'),
    ({"content-type": "application/cloudevents-batch+json"}, b"not json"),
    ({"content-type": "application/cloudevents+xml"}, b"<event/>"),
    ({"content-type": "application/cloudevents-batch+json"}, b"[" + b"1," * 10 + b"1]"),
    ({}, b'{"message": {}, "ride": 1}'),
    ({}, b'{"message": {"data": "a"}, "message": {}}'),
    (CLOUD_EVENT, b"not json"),
    (CLOUD_EVENT, b"[1]"),
    (CE | {"ce-type": PUBSUB}, b"not json"),
]


@pytest.mark.parametrize(("headers", "body"), GARBAGE)
def test_what_is_no_envelope_is_the_message_itself(headers: dict[str, str], body: bytes) -> None:
    assert parse(headers, body) == Message(body, content_id(body))


WRONG_DATA = [
    ("%%%", b"%%%"),
    ("é", "é".encode()),
    (5, b"5"),
    ({"x": 1.50}, b'{"x":1.5}'),
    ([], b"[]"),
    (False, b"false"),
]


@pytest.mark.parametrize(("data", "kept"), WRONG_DATA)
@pytest.mark.parametrize("envelope", ["push", "structured"])
def test_data_that_is_not_base64_is_kept_for_the_dead_letter(data: Any, kept: bytes, envelope: str) -> None:
    if envelope == "push":
        message = parse({}, dump({"message": {"data": data, "messageId": "7"}}))
    else:
        message = parse(CLOUD_EVENT, dump({"data_base64": data, "id": "7"}))
    assert (message.data, message.message_id) == (kept, "7")
    assert "base64" in error_of(message)


def test_a_push_without_data_is_a_message_without_data() -> None:
    assert parse({}, dump({"message": {"data": None, "messageId": "7"}})) == Message(b"", "7")


BATCH = {"content-type": "Application/CloudEvents-Batch+JSON; charset=utf-8"}


def test_each_event_of_a_batch_is_one_message() -> None:
    events = [EVENT | {"data": {"ride_id": 1}}, EVENT | {"id": "e2", "data_base64": ENCODED}]
    events.append(EVENT | {"id": "e3", "type": PUBSUB, "data": PUSH})
    expected = [own(b'{"ride_id":1}'), own(message_id="e2", id="e2"), Message(RIDE, "7", {"k": "v"}, NOON)]
    assert envelopes.parse(BATCH, dump(events), 10) == expected


def test_an_empty_batch_has_no_messages() -> None:
    assert envelopes.parse(BATCH, b"[]", 10) == []


@pytest.mark.parametrize("wrong", [7, None, [], "text", {"id": "e2", "data": 1, "data_base64": ENCODED}])
def test_what_is_no_event_is_a_message_with_its_error_and_the_others_are_read(wrong: Any) -> None:
    first, second, third = envelopes.parse(BATCH, dump([EVENT, wrong, EVENT]), 10)
    assert (first, third) == (own(b""), own(b""))
    assert json.loads(second.data) == wrong
    assert error_of(second)


@pytest.mark.parametrize(
    ("media", "body", "reason"),
    [
        ("application/cloudevents+xml", b"<event/>", "CloudEvents are read as application/cloudevents+json"),
        ("application/cloudevents-batch+json", b"{}", "must be a list"),
        ("application/cloudevents-batch+json", b"[" + b"1," * 10 + b"1]", "more than 10 events, the limit that MAX_ROWS sets"),
        ("application/cloudevents+json", b"{", "not valid JSON"),
    ],
)  # fmt: skip
def test_a_cloud_event_that_cannot_be_read_says_why(media: str, body: bytes, reason: str) -> None:
    message = parse({"content-type": media}, body)
    assert message.data == body
    assert reason in error_of(message)


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
HEADERS = st.sampled_from([{}, CE, CE | {"ce-type": PUBSUB}, CLOUD_EVENT, BATCH, {META + "message-id": "7"}])


@settings(max_examples=300)
@given(HEADERS, st.binary(max_size=50) | VALUES.map(dump) | VALUES.map(lambda v: dump({"message": v})))
def test_garbage_never_raises(headers: dict[str, str], body: bytes) -> None:
    for message in envelopes.parse(headers, body, 10):
        assert isinstance(message.data, bytes)
        assert message.message_id
