from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError

from contract.pubsub import differences
from contract.pubsub.backends import Backend, Names

Call = Callable[[Backend, Names], Any]

NONE = "projects/contract/topics/none"
NO_SUBSCRIPTION = "projects/contract/subscriptions/none"


def status(call: Call, backend: Backend, names: Names) -> str:
    try:
        call(backend, names)
    except GoogleAPICallError as error:
        return str(getattr(error.grpc_status_code, "name", error.code))
    return "OK"


def subscribe(**fields: Any) -> Call:
    """A second subscription with these fields."""

    def call(backend: Backend, names: Names) -> None:
        request = {"name": f"{names.subscription}-2", "topic": names.topic, **fields}
        backend.subscriber.create_subscription(request=request)

    return call


def update(field: str) -> Call:
    def call(backend: Backend, names: Names) -> None:
        subscription = {"name": names.subscription, "topic": names.topic}
        backend.subscriber.update_subscription(
            request={"subscription": subscription, "update_mask": {"paths": [field]}}
        )

    return call


def publish(topic: str | None, *messages: dict[str, Any]) -> Call:
    def call(backend: Backend, names: Names) -> None:
        backend.publisher._gapic_publish(topic=topic or names.topic, messages=list(messages))

    return call


# fmt: off
CASES: dict[str, tuple[str, Call]] = {
    "a topic that exists": ("ALREADY_EXISTS", lambda b, n: b.publisher.create_topic(name=n.topic)),
    "a topic name with two letters": ("INVALID_ARGUMENT", lambda b, n: b.publisher.create_topic(name="projects/p/topics/ab")),
    "a topic name that starts with a digit": ("INVALID_ARGUMENT", lambda b, n: b.publisher.create_topic(name="projects/p/topics/1abc")),
    "a topic name that starts with goog": ("INVALID_ARGUMENT", lambda b, n: b.publisher.create_topic(name="projects/p/topics/google")),
    "getting a topic that does not exist": ("NOT_FOUND", lambda b, n: b.publisher.get_topic(topic=NONE)),
    "deleting a topic that does not exist": ("NOT_FOUND", lambda b, n: b.publisher.delete_topic(topic=NONE)),
    "publishing to a topic that does not exist": ("NOT_FOUND", publish(NONE, {"data": b"x"})),
    "publishing an empty message": ("INVALID_ARGUMENT", publish(None, {"data": b"x"}, {})),
    "publishing nothing": ("INVALID_ARGUMENT", publish(None)),
    "a subscription that exists": ("ALREADY_EXISTS", lambda b, n: b.subscriber.create_subscription(name=n.subscription, topic=n.topic)),
    "a subscription of a topic that does not exist": ("NOT_FOUND", subscribe(topic=NONE)),
    "an ack deadline of 601 s": ("INVALID_ARGUMENT", subscribe(ack_deadline_seconds=601)),
    "a retention of 1 s": ("INVALID_ARGUMENT", subscribe(message_retention_duration=timedelta(seconds=1))),
    "a backoff of 700 s": ("INVALID_ARGUMENT", subscribe(retry_policy={"minimum_backoff": timedelta(seconds=700)})),
    "a maximum backoff below the minimum": ("INVALID_ARGUMENT", subscribe(retry_policy={"minimum_backoff": timedelta(seconds=60), "maximum_backoff": timedelta(seconds=10)})),
    "a dead letter topic that does not exist": ("NOT_FOUND", subscribe(dead_letter_policy={"dead_letter_topic": NONE, "max_delivery_attempts": 5})),
    "a push endpoint that is no URL": ("INVALID_ARGUMENT", subscribe(push_config={"push_endpoint": "junk"})),
    "getting a subscription that does not exist": ("NOT_FOUND", lambda b, n: b.subscriber.get_subscription(subscription=NO_SUBSCRIPTION)),
    "deleting a subscription that does not exist": ("NOT_FOUND", lambda b, n: b.subscriber.delete_subscription(subscription=NO_SUBSCRIPTION)),
    "pulling from a subscription that does not exist": ("NOT_FOUND", lambda b, n: b.pull_once(NO_SUBSCRIPTION)),
    "pulling no messages": ("INVALID_ARGUMENT", lambda b, n: b.pull_once(n.subscription, 0)),
    "acking nothing": ("INVALID_ARGUMENT", lambda b, n: b.ack(n.subscription, [])),
    "changing the topic": ("INVALID_ARGUMENT", update("topic")),
    "changing the ordering": ("INVALID_ARGUMENT", update("enable_message_ordering")),
}

DIFFERENT: dict[str, Call] = {
    "status of creating a subscription with a filter": subscribe(filter='attributes.colour = "red"'),
    "status of max_delivery_attempts 3": lambda b, n: subscribe(dead_letter_policy={"dead_letter_topic": n.topic, "max_delivery_attempts": 3})(b, n),
    "status of listing the subscriptions of a topic that does not exist": lambda b, n: list(b.publisher.list_topic_subscriptions(topic=NONE)),
    "status of acking an id that was never given out": lambda b, n: b.subscriber.acknowledge(subscription=n.subscription, ack_ids=["0-0"]),
}
# fmt: on


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_has_the_status_of_the_service(backend: Backend, names: Names, case: str) -> None:
    backend.make(names)
    expected, call = CASES[case]
    assert status(call, backend, names) == expected


@pytest.mark.parametrize("rule", DIFFERENT)
def test_known_differences_in_status_are_still_there(backend: Backend, names: Names, rule: str) -> None:
    backend.make(names)
    assert status(DIFFERENT[rule], backend, names) == differences.expected_value(backend.name, rule)


def test_a_refusal_says_what_to_do(backend: Backend, names: Names) -> None:
    if backend.name == "google":
        pytest.skip("the words are ours")
    backend.make(names)
    with pytest.raises(GoogleAPICallError, match="filter in the subscriber, or use Google's emulator"):
        subscribe(filter='attributes.colour = "red"')(backend, names)
