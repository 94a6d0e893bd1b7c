"""`cloudevents` and `google-cloud-pubsub` as they are, against a real event function and a real Pub/Sub server."""

from __future__ import annotations

import json
import os
import queue
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import pytest
from cloudevents.conversion import to_binary, to_dict, to_structured
from cloudevents.http import CloudEvent
from cloudevents.pydantic import CloudEvent as ModelledEvent
from google.cloud import pubsub_v1

from contract.events.conftest import RIDE_FIELDS
from contract.events.topics import RIDE_EVENT, Topics, push_body
from http_server import WAIT_SECONDS
from modelserve_control.local import emulators, resources
from modelserve_control.local.resources import Names
from serving import Functions, Served

PUBLISHED: Final = {"published": 1, "dead_lettered": 0}


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topics]:
    """Of a server that is a process of its own."""
    with emulators.pubsub(tmp_path_factory.mktemp("pubsub")) as host:
        names = Names("contract", "contract")
        resources.make_topics(host, names)
        with resources.subscriber(host) as subscriber, resources.publisher(host) as publisher:
            yield Topics(host, names, subscriber, publisher)


@pytest.fixture(scope="module")
def rides(functions: Functions, topics: Topics) -> Served:
    presentation = {"label": "ride_duration"}
    return functions("ride_duration", "predict_event", presentation, **topics.settings, **RIDE_FIELDS)


def event(made: Any, data: Any = RIDE_EVENT, **attributes: str) -> Any:
    return made({"type": "com.example.ride", "source": "//example.com/é", **attributes}, data)


MAKERS: dict[str, Callable[..., Any]] = {
    "cloudevents.http": CloudEvent,
    "cloudevents.pydantic": ModelledEvent.create,
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
@pytest.mark.parametrize("convert", [to_structured, to_binary])
def test_an_event_of_the_package_is_one_message(
    rides: Served, topics: Topics, convert: Callable[..., Any], maker: Callable[..., Any]
) -> None:
    made = event(maker)
    headers, body = convert(made)
    sent = {name.encode(): str(value).encode() for name, value in headers.items()}
    answer = rides.client.post("/", headers=sent, content=body)
    assert (answer.status_code, answer.json()) == (200, PUBLISHED)
    (seen,) = topics.predictions(1)
    assert seen.attributes["source_message_id"] == made["id"]
    assert seen.event["prediction"]["ride_id"] == 156


def test_an_event_of_bytes_is_one_message(rides: Served, topics: Topics) -> None:
    headers, body = to_structured(event(CloudEvent, json.dumps(RIDE_EVENT).encode()))
    assert "data_base64" in json.loads(body)
    assert rides.client.post("/", headers=headers, content=body).json() == PUBLISHED
    topics.predictions(1)


def test_an_event_of_pubsub_is_its_message(rides: Served, topics: Topics) -> None:
    made = event(CloudEvent, push_body(RIDE_EVENT, "the-message"), type="google.cloud.pubsub.topic.v1.messagePublished")
    for convert in (to_structured, to_binary):
        headers, body = convert(made)
        sent = {name.encode(): str(value).encode() for name, value in headers.items()}
        assert rides.client.post("/", headers=sent, content=body).json() == PUBLISHED
    assert {seen.attributes["source_message_id"] for seen in topics.predictions(2)} == {"the-message"}


def test_a_batch_of_events_of_the_package_is_a_message_each(rides: Served, topics: Topics) -> None:
    """The package writes no batches, which are a list of its structured events."""
    events = [event(CloudEvent, data) for data in (RIDE_EVENT, RIDE_EVENT, {"ride": {}, "ride_id": 1})]
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = rides.client.post("/", headers=headers, content=json.dumps([dict(to_dict(one)) for one in events]))
    assert answer.json() == {"published": 2, "dead_lettered": 1}
    ids = {seen.attributes["source_message_id"] for seen in topics.predictions(2)}
    assert ids == {one["id"] for one in events[:2]}
    (dead,) = topics.dead_letters(1)
    assert dead.attributes.items() >= {"ce-id": events[2]["id"], "ce-source": "//example.com/é"}.items()


@contextmanager
def clients(host: str) -> Iterator[tuple[Any, Any]]:
    with patch.dict(os.environ, PUBSUB_EMULATOR_HOST=host):
        publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    try:
        yield publisher, subscriber
    finally:
        publisher.stop()
        publisher.transport.close()
        subscriber.close()


def test_what_the_client_publishes_is_pushed_and_its_prediction_is_streamed(rides: Served, topics: Topics) -> None:
    names = topics.names
    seen: queue.Queue[Any] = queue.Queue()

    def callback(message: Any) -> None:
        seen.put(message)
        message.ack()

    with clients(topics.host) as (publisher, subscriber):
        topic = names.topic(f"rides-{uuid.uuid4().hex}")
        publisher.create_topic(name=topic)
        push = {"push_endpoint": rides.url, "attributes": {"x-goog-version": "v1"}}
        subscription = {"name": names.subscription(f"rides-{uuid.uuid4().hex}"), "topic": topic, "push_config": push}
        subscriber.create_subscription(request={**subscription, "filter": "NOT attributes:test"})
        streams = [subscriber.subscribe(one, callback) for one in (names.predictions_pull, names.dead_letter_pull)]
        publisher.publish(topic, b"left out", test="true").result(WAIT_SECONDS)
        good = publisher.publish(topic, json.dumps(RIDE_EVENT).encode(), team="rides").result(WAIT_SECONDS)
        bad = publisher.publish(topic, b"poison", team="rides").result(WAIT_SECONDS)
        found = {one.attributes["source_message_id"]: one for one in (seen.get(timeout=WAIT_SECONDS) for _ in range(2))}
        for stream in streams:
            stream.cancel()
            stream.result(WAIT_SECONDS)
    assert json.loads(found[good].data)["prediction"]["ride_id"] == 156
    assert (found[bad].data, found[bad].attributes["team"]) == (b"poison", "rides")
