"""What the samples of Google's client do and check, besides what the other files hold: read there, written anew here."""

from __future__ import annotations

import os
import queue
from typing import Any
from unittest.mock import patch

import pytest
from google.api_core import retry
from google.api_core.exceptions import NotFound, ServiceUnavailable
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.types import BatchSettings, LimitExceededBehavior, PublisherOptions, PublishFlowControl

from contract.pubsub.backends import Backend, Names, text
from http_server import WAIT_SECONDS


def publisher(backend: Backend, *settings: Any, **options: Any) -> Any:
    with patch.dict(os.environ, PUBSUB_EMULATOR_HOST=backend.host):
        return pubsub_v1.PublisherClient(*settings, **options)


PUBLISHERS: dict[str, tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]] = {
    "batches": ((BatchSettings(max_messages=10, max_bytes=1_024, max_latency=0.05),), {}, {}),
    "flow control": (
        (),
        {
            "publisher_options": PublisherOptions(
                flow_control=PublishFlowControl(
                    message_limit=5, byte_limit=1 << 20, limit_exceeded_behavior=LimitExceededBehavior.BLOCK
                )
            )
        },
        {},
    ),
    "retries": ((), {}, {"retry": retry.Retry(predicate=retry.if_exception_type(ServiceUnavailable), timeout=300)}),
    "an endpoint of a region": (
        (),
        {
            "publisher_options": PublisherOptions(enable_message_ordering=True),
            "client_options": {"api_endpoint": "us-east1-pubsub.googleapis.com:443"},
        },
        {"ordering_key": "key"},
    ),
}


@pytest.mark.parametrize("case", PUBLISHERS)
def test_a_publisher_of_any_settings_publishes(backend: Backend, names: Names, case: str) -> None:
    settings, options, each = PUBLISHERS[case]
    backend.make(names)
    client = publisher(backend, *settings, **options)
    futures = [client.publish(names.topic, str(number).encode(), origin="here", **each) for number in range(20)]
    ids = {future.result(WAIT_SECONDS) for future in futures}
    client.stop()
    client.transport.close()
    received = backend.pull(names.subscription, 20, 20)
    assert {one.message.message_id for one in received} == ids
    assert {one.message.attributes["origin"] for one in received} == {"here"}


def test_streamed_messages_count_their_attempts_with_a_dead_letter_policy(backend: Backend, names: Names) -> None:
    backend.make(names, dead_letter_policy={"dead_letter_topic": names.dead, "max_delivery_attempts": 10})
    backend.publish(names, "again")
    attempts: queue.Queue[Any] = queue.Queue()

    def callback(message: Any) -> None:
        attempts.put(message.delivery_attempt)
        message.ack() if message.delivery_attempt == 3 else message.nack()

    stream = backend.subscriber.subscribe(names.subscription, callback)
    assert [attempts.get(timeout=WAIT_SECONDS) for _ in range(3)] == [1, 2, 3]
    stream.cancel()
    stream.result(WAIT_SECONDS)


def test_with_exactly_once_delivery_each_ack_is_confirmed(backend: Backend, names: Names) -> None:
    backend.make(names, enable_exactly_once_delivery=True)
    assert backend.subscriber.get_subscription(subscription=names.subscription).enable_exactly_once_delivery
    ids = backend.publish(names, "a", "b", "c")
    confirmed: queue.Queue[Any] = queue.Queue()

    def callback(message: Any) -> None:
        future = message.ack_with_response()
        future.add_done_callback(lambda done: confirmed.put((message.message_id, done.exception())))

    stream = backend.subscriber.subscribe(names.subscription, callback)
    assert dict(confirmed.get(timeout=WAIT_SECONDS) for _ in ids) == dict.fromkeys(ids)
    stream.cancel()
    stream.result(WAIT_SECONDS)


def test_a_stream_that_was_opened_too_early_says_so_and_is_opened_again(backend: Backend, names: Names) -> None:
    seen: queue.Queue[Any] = queue.Queue()
    with pytest.raises(NotFound):
        backend.subscriber.subscribe(names.subscription, seen.put).result(WAIT_SECONDS)
    backend.make(names)
    backend.publish(names, "here")
    stream = backend.subscriber.subscribe(names.subscription, seen.put)
    message = seen.get(timeout=WAIT_SECONDS)
    message.ack()
    assert message.data == b"here"
    stream.cancel()
    stream.result(WAIT_SECONDS)


def test_a_lease_is_extended_and_ended_by_hand(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publish(names, "long", "short")
    received = {text(one): one for one in backend.pull(names.subscription, 2)}
    backend.modify(names.subscription, [received["long"]], 600)
    backend.modify(names.subscription, [received["short"]], 0)
    assert [text(one) for one in backend.pull(names.subscription, 1)] == ["short"]
    backend.ack(names.subscription, [received["long"]])
    assert backend.pull_now(names.subscription) == []
