from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from contract.pubsub import differences
from contract.pubsub.backends import Backend, Names
from contract.pubsub.endpoints import Endpoint

QUICK = {"minimum_backoff": timedelta(milliseconds=10), "maximum_backoff": timedelta(milliseconds=20)}


def push_to(endpoint: Endpoint, **config: Any) -> dict[str, Any]:
    return {"push_endpoint": f"{endpoint.url}/events?source=pubsub", **config}


def test_a_push_is_the_wrapped_message(backend: Backend, names: Names, endpoint: Endpoint) -> None:
    backend.make(names, push_config=push_to(endpoint))
    (message_id,) = backend.publish(names, "hello", colour="red")
    push = endpoint.next()
    assert push.path == "/events?source=pubsub"
    assert push.headers["content-type"] == "application/json"
    assert push.json["subscription"] == names.subscription
    message = push.message
    assert base64.b64decode(message["data"]) == b"hello"
    assert message["attributes"] == {"colour": "red"}
    assert message["messageId"] == message["message_id"] == message_id
    assert message["publishTime"] == message["publish_time"]
    assert "deliveryAttempt" not in push.json


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_these_statuses_ack(backend: Backend, names: Names, endpoint: Endpoint, status: int) -> None:
    endpoint.statuses = [status]
    backend.make(names, push_config=push_to(endpoint), retry_policy=QUICK)
    backend.publish(names, "first")
    endpoint.next()
    backend.publish(names, "second")
    assert base64.b64decode(endpoint.next().message["data"]) == b"second"


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_other_statuses_nack(backend: Backend, names: Names, endpoint: Endpoint, status: int) -> None:
    endpoint.statuses = [status, 204]
    backend.make(names, push_config=push_to(endpoint), retry_policy=QUICK)
    backend.publish(names, "again")
    assert endpoint.next().message == endpoint.next().message


def test_whether_203_acks_differs(backend: Backend, names: Names, endpoint: Endpoint) -> None:
    endpoint.statuses = [203, 204]
    backend.make(names, push_config=push_to(endpoint), retry_policy=QUICK)
    (first,) = backend.publish(names, "first")
    endpoint.next()
    (second,) = backend.publish(names, "second")
    comes_again = differences.expected_value(backend.name, "a push answered with 203 comes again")
    following = {endpoint.next().message["messageId"] for _ in range(1 + comes_again)}
    assert following == ({first, second} if comes_again else {second})


def test_a_push_that_takes_longer_than_the_ack_deadline_comes_again(
    backend: Backend, names: Names, endpoint: Endpoint
) -> None:
    endpoint.hold.clear()
    backend.make(names, push_config=push_to(endpoint), ack_deadline_seconds=1, retry_policy=QUICK)
    backend.publish(names, "slow")
    assert endpoint.next().message == endpoint.next().message


def test_a_push_without_wrapper_is_the_data(backend: Backend, names: Names, endpoint: Endpoint) -> None:
    backend.make(names, push_config=push_to(endpoint, no_wrapper={"write_metadata": False}))
    backend.publish(names, "hello", colour="red")
    push = endpoint.next()
    assert push.body == b"hello"
    assert not [name for name in push.headers if name.startswith("x-goog")]


def test_a_push_without_wrapper_can_carry_the_metadata(backend: Backend, names: Names, endpoint: Endpoint) -> None:
    backend.make(names, push_config=push_to(endpoint, no_wrapper={"write_metadata": True}))
    (message_id,) = backend.publish(names, "hello", colour="red", ordering_key="key")
    push = endpoint.next()
    assert push.body == b"hello"
    assert push.headers["x-goog-pubsub-subscription-name"] == names.subscription
    assert push.headers["x-goog-pubsub-message-id"] == message_id
    assert push.headers["x-goog-pubsub-publish-time"]
    assert push.headers["colour"] == "red"
    header = differences.expected_value(backend.name, "ordering key header of an unwrapped push")
    assert push.headers[header] == "key"


def test_a_push_with_a_service_account_carries_its_token(backend: Backend, names: Names, endpoint: Endpoint) -> None:
    token = {"service_account_email": "push@contract.iam.gserviceaccount.com", "audience": "the function"}
    backend.make(names, push_config=push_to(endpoint, oidc_token=token))
    backend.publish(names, "hello")
    header = endpoint.next().headers.get("authorization")
    assert (header is not None) == differences.expected_value(backend.name, "push carries an Authorization header")
    if header:
        claims = header.removeprefix("Bearer ").split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        assert decoded["email"] == token["service_account_email"]
        assert decoded["aud"] == "the function"


def test_ordered_pushes_come_one_after_the_other(backend: Backend, names: Names, endpoint: Endpoint) -> None:
    endpoint.statuses = [500, 204]
    backend.make(names, push_config=push_to(endpoint), enable_message_ordering=True, retry_policy=QUICK)
    backend.publish(names, "1", "2", "3", ordering_key="key")
    pushes = [endpoint.next() for _ in range(4)]
    seen = [base64.b64decode(push.message["data"]).decode() for push in pushes]
    assert seen == ["1", "1", "2", "3"]
    carried = {"orderingKey" in push.message for push in pushes}
    assert carried == {differences.expected_value(backend.name, "wrapped push carries orderingKey")}


def test_a_push_config_can_be_taken_away_and_given_back(backend: Backend, names: Names, endpoint: Endpoint) -> None:
    backend.make(names, push_config=push_to(endpoint))
    backend.subscriber.modify_push_config(subscription=names.subscription, push_config={})
    backend.publish(names, "pulled")
    backend.ack(names.subscription, backend.pull(names.subscription, 1))
    assert endpoint.quiet
    backend.subscriber.modify_push_config(subscription=names.subscription, push_config=push_to(endpoint))
    backend.publish(names, "pushed")
    assert base64.b64decode(endpoint.next().message["data"]) == b"pushed"
