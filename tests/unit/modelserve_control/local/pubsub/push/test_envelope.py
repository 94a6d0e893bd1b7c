from __future__ import annotations

import base64
import json

from modelserve_control.local.pubsub.push.envelope import request
from modelserve_control.local.pubsub.topics.messages import Delivery, Message
from modelserve_control.local.pubsub.topics.policies import PushConfig
from unit.modelserve_control.local.pubsub.clocks import SUBSCRIPTION, config

MESSAGE = Message(b"\x00data", {"colour": "red"}, "key", "7", 1_700_000_000.0)
WRAPPED = config(push=PushConfig("http://127.0.0.1/"))
BARE = config(push=PushConfig("http://127.0.0.1/", wrapped=False))
METADATA = config(push=PushConfig("http://127.0.0.1/", wrapped=False, write_metadata=True))


def test_the_wrapped_body_is_the_one_that_google_sends() -> None:
    headers, body = request(WRAPPED, Delivery("ack", MESSAGE, 3))
    assert headers == [("Content-Type", "application/json")]
    assert json.loads(body) == {
        "message": {
            "attributes": {"colour": "red"},
            "data": base64.b64encode(b"\x00data").decode(),
            "messageId": "7",
            "message_id": "7",
            "orderingKey": "key",
            "publishTime": "2023-11-14T22:13:20.000Z",
            "publish_time": "2023-11-14T22:13:20.000Z",
        },
        "subscription": SUBSCRIPTION,
        "deliveryAttempt": 3,
    }


def test_what_a_message_does_not_have_is_left_out() -> None:
    body = json.loads(request(WRAPPED, Delivery("ack", Message(b"", {"k": "v"}), None))[1])
    assert "deliveryAttempt" not in body
    assert not {"data", "orderingKey"} & set(body["message"])


def test_without_wrapper_the_data_is_the_body_and_nothing_else_is_sent() -> None:
    assert request(BARE, Delivery("ack", MESSAGE, None)) == ([], b"\x00data")


def test_without_wrapper_metadata_comes_in_headers() -> None:
    headers, body = request(METADATA, Delivery("ack", MESSAGE, None))
    assert body == b"\x00data"
    assert dict(headers) == {
        "x-goog-pubsub-subscription-name": SUBSCRIPTION,
        "x-goog-pubsub-message-id": "7",
        "x-goog-pubsub-publish-time": "2023-11-14T22:13:20.000Z",
        "x-goog-pubsub-ordering-key": "key",
        "colour": "red",
    }


def test_attributes_cannot_break_the_request_that_carries_them() -> None:
    attributes = {"Content-Length": "0", "a b": "x", "split": "x\r\nHost: y", "nul": "\x00", "fine": "é"}
    headers, _ = request(METADATA, Delivery("ack", Message(b"x", attributes), None))
    assert [name for name, _ in headers if not name.startswith("x-goog")] == ["fine"]
