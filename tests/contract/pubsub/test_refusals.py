from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError

from contract.pubsub import differences
from contract.pubsub.backends import Backend, Names

Call = Callable[[Backend, Names], Any]

NONE = "projects/contract/topics/none"
NO_SUBSCRIPTION = "projects/contract/subscriptions/none"
NO_SNAPSHOT = "projects/contract/snapshots/none"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


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


def update_topic(fields: dict[str, Any], *paths: str) -> Call:
    def call(backend: Backend, names: Names) -> None:
        topic = {"name": names.topic, **fields}
        backend.publisher.update_topic(request={"topic": topic, "update_mask": {"paths": list(paths)}})

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
    "getting what is no topic name": ("INVALID_ARGUMENT", lambda b, n: b.publisher.get_topic(topic="foo")),
    "deleting what is no topic name": ("INVALID_ARGUMENT", lambda b, n: b.publisher.delete_topic(topic="projects/p/topics/a b")),
    "publishing to what is no topic name": ("INVALID_ARGUMENT", publish("projects/p/subscriptions/abc", {"data": b"x"})),
    "subscribing to what is no topic name": ("INVALID_ARGUMENT", subscribe(topic="foo")),
    "getting what is no subscription name": ("INVALID_ARGUMENT", lambda b, n: b.subscriber.get_subscription(subscription="foo")),
    "deleting what is no subscription name": ("INVALID_ARGUMENT", lambda b, n: b.subscriber.delete_subscription(subscription="projects/p/subscriptions/ab")),
    "pulling from what is no subscription name": ("INVALID_ARGUMENT", lambda b, n: b.pull_once("projects/p/topics/abc")),
    "seeking in a subscription that does not exist": ("NOT_FOUND", lambda b, n: b.subscriber.seek(request={"subscription": NO_SUBSCRIPTION, "time": LONG_AGO})),
    "seeking to nothing": ("INVALID_ARGUMENT", lambda b, n: b.subscriber.seek(request={"subscription": n.subscription})),
    "seeking to a snapshot that does not exist": ("NOT_FOUND", lambda b, n: b.subscriber.seek(request={"subscription": n.subscription, "snapshot": NO_SNAPSHOT})),
    "a snapshot whose name is none": ("INVALID_ARGUMENT", lambda b, n: b.subscriber.create_snapshot(name="foo", subscription=n.subscription)),
    "a snapshot of a subscription that does not exist": ("NOT_FOUND", lambda b, n: b.subscriber.create_snapshot(name=NO_SNAPSHOT, subscription=NO_SUBSCRIPTION)),
    "deleting a snapshot that does not exist": ("NOT_FOUND", lambda b, n: b.subscriber.delete_snapshot(snapshot=NO_SNAPSHOT)),
    "changing the filter": ("INVALID_ARGUMENT", update("filter")),
    "changing a topic's name": ("INVALID_ARGUMENT", update_topic({}, "name")),
    "changing a field that topics do not have": ("INVALID_ARGUMENT", update_topic({}, "colour")),
    "changing nothing of a topic": ("INVALID_ARGUMENT", update_topic({})),
    "changing a topic that does not exist": ("NOT_FOUND", update_topic({"name": NONE}, "message_retention_duration")),
    "a topic's retention of 1 s": ("INVALID_ARGUMENT", lambda b, n: b.publisher.create_topic(request={"name": f"{n.topic}-2", "message_retention_duration": timedelta(seconds=1)})),
    "changing the topic": ("INVALID_ARGUMENT", update("topic")),
    "changing the ordering": ("INVALID_ARGUMENT", update("enable_message_ordering")),
}

DIFFERENT: dict[str, Call] = {
    "status of a filter that cannot be read": subscribe(filter="colour = red"),
    "status of a topic name without a project": lambda b, n: b.publisher.create_topic(name=n.topic.replace("contract", "")),
    "status of a BigQuery subscription": subscribe(bigquery_config={"table": "project.dataset.table"}),
    "status of a Cloud Storage subscription": subscribe(cloud_storage_config={"bucket": "bucket"}),
    "status of a Bigtable subscription": subscribe(bigtable_config={"table": "projects/p/instances/i/tables/t"}),
    "status of a subscription with a transform": subscribe(message_transforms=[{"javascript_udf": {"code": "function f(m, d) { return m }", "function_name": "f"}}]),
    "status of a topic with a schema that is no resource name": lambda b, n: b.publisher.create_topic(request={"name": f"{n.topic}-2", "schema_settings": {"schema": "foo", "encoding": "JSON"}}),
    "status of the access policy of a schema": lambda b, n: b.schemas.get_iam_policy(request={"resource": "projects/contract/schemas/none"}),
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


NO_PROJECT = {"retry": None, "timeout": 30}
SEVERAL: dict[str, tuple[Call, ...]] = {
    "status of listing topics, subscriptions or schemas of a name that is no project": (
        lambda b, n: b.publisher.list_topics(project="foo", **NO_PROJECT),
        lambda b, n: b.subscriber.list_subscriptions(project="foo", **NO_PROJECT),
        lambda b, n: b.schemas.list_schemas(request={"parent": "foo"}, **NO_PROJECT),
    ),
    "status of updating a topic's labels or storage policy": (
        update_topic({"labels": {"team": "ml"}}, "labels"),
        update_topic(
            {"message_storage_policy": {"allowed_persistence_regions": ["us-east1"]}}, "message_storage_policy"
        ),
    ),
}


@pytest.mark.parametrize("rule", SEVERAL)
def test_known_differences_of_several_calls_are_still_there(backend: Backend, names: Names, rule: str) -> None:
    backend.make(names)
    expected = differences.expected_value(backend.name, rule)
    assert [status(call, backend, names) for call in SEVERAL[rule]] == [expected] * len(SEVERAL[rule])


# What only our server refuses, with what it advises.
WORDS: dict[str, tuple[str, Call]] = {
    "a filter": ("it is made of attributes:KEY", subscribe(filter="colour = red")),
    "AND and OR": ("needs parentheses", subscribe(filter="attributes:a AND attributes:b OR attributes:c")),
    "a long filter": ("at most 256 bytes", subscribe(filter=f'attributes.a = "{"x" * 256}"')),
    "detaching": (
        "Delete the subscription",
        lambda b, n: b.publisher.detach_subscription(request={"subscription": n.subscription}),
    ),
    "a BigQuery subscription": ("pull from the topic instead", subscribe(bigquery_config={"table": "a.b.c"})),
}


@pytest.mark.parametrize("case", WORDS)
def test_a_refusal_says_what_to_do(backend: Backend, names: Names, case: str) -> None:
    if backend.name == "google":
        pytest.skip("the words are ours")
    backend.make(names)
    words, call = WORDS[case]
    with pytest.raises(GoogleAPICallError, match=words):
        call(backend, names)
