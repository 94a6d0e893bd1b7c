from __future__ import annotations

from datetime import timedelta
from typing import Any

from contract.pubsub import differences
from contract.pubsub.backends import PROJECT, Backend, Names


def test_topics_are_made_listed_and_deleted(backend: Backend, names: Names) -> None:
    made = backend.publisher.create_topic(request={"name": names.topic, "labels": {"team": "ml"}})
    assert made.name == names.topic
    assert backend.publisher.get_topic(topic=names.topic).labels == {"team": "ml"}
    assert names.topic in [topic.name for topic in backend.publisher.list_topics(project=PROJECT)]
    backend.publisher.delete_topic(topic=names.topic)
    assert names.topic not in [topic.name for topic in backend.publisher.list_topics(project=PROJECT)]


def test_lists_come_in_pages(backend: Backend, names: Names) -> None:
    topics = {f"{names.topic}-{number}" for number in range(5)}
    for topic in topics:
        backend.publisher.create_topic(name=topic)
    pages = list(backend.publisher.list_topics(request={"project": PROJECT, "page_size": 2}).pages)
    listed = [topic.name for page in pages for topic in page.topics]
    assert len(pages) > 2
    assert topics <= set(listed)
    assert len(listed) == len(set(listed))


def test_a_subscription_comes_back_as_it_was_made(backend: Backend, names: Names) -> None:
    given = {
        "ack_deadline_seconds": 60,
        "enable_message_ordering": True,
        "labels": {"team": "ml"},
        "message_retention_duration": timedelta(days=2),
        "retry_policy": {"minimum_backoff": timedelta(seconds=10), "maximum_backoff": timedelta(seconds=600)},
        "dead_letter_policy": {"dead_letter_topic": names.dead, "max_delivery_attempts": 7},
        "push_config": {
            "push_endpoint": "http://127.0.0.1:1/x",
            "oidc_token": {"service_account_email": "a@b.c", "audience": "d"},
        },
    }
    backend.make(names, **given)
    got = backend.subscriber.get_subscription(subscription=names.subscription)
    assert (got.name, got.topic, got.ack_deadline_seconds) == (names.subscription, names.topic, 60)
    assert got.enable_message_ordering
    assert got.labels == {"team": "ml"}
    assert got.message_retention_duration == timedelta(days=2)
    assert got.retry_policy.minimum_backoff == timedelta(seconds=10)
    assert got.retry_policy.maximum_backoff == timedelta(seconds=600)
    assert got.dead_letter_policy.dead_letter_topic == names.dead
    assert got.dead_letter_policy.max_delivery_attempts == 7
    assert got.push_config.push_endpoint == "http://127.0.0.1:1/x"
    assert got.push_config.oidc_token.service_account_email == "a@b.c"


def test_a_subscription_has_the_service_defaults(backend: Backend, names: Names) -> None:
    backend.make(names, ack_deadline_seconds=0)
    got = backend.subscriber.get_subscription(subscription=names.subscription)
    assert got.ack_deadline_seconds == 10
    assert got.message_retention_duration == timedelta(days=7)
    assert not got.push_config.push_endpoint


def test_an_update_changes_what_its_mask_names_and_nothing_else(backend: Backend, names: Names) -> None:
    backend.make(names, ack_deadline_seconds=20, labels={"team": "ml"})
    subscription = {"name": names.subscription, "ack_deadline_seconds": 30}
    update = {"subscription": subscription, "update_mask": {"paths": ["ack_deadline_seconds"]}}
    assert backend.subscriber.update_subscription(request=update).ack_deadline_seconds == 30
    got = backend.subscriber.get_subscription(subscription=names.subscription)
    assert (got.ack_deadline_seconds, got.labels) == (30, {"team": "ml"})


def test_a_topic_lists_its_subscriptions(backend: Backend, names: Names) -> None:
    backend.make(names)
    assert list(backend.publisher.list_topic_subscriptions(topic=names.topic)) == [names.subscription]
    backend.subscriber.delete_subscription(subscription=names.subscription)
    assert list(backend.publisher.list_topic_subscriptions(topic=names.topic)) == []


def test_a_subscription_outlives_its_topic(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publisher.delete_topic(topic=names.topic)
    assert backend.subscriber.get_subscription(subscription=names.subscription).topic == "_deleted-topic_"


def test_a_topic_comes_back_as_it_was_made_and_updated(backend: Backend, names: Names) -> None:
    stream = {"stream_arn": "a", "consumer_arn": "b", "aws_role_arn": "c", "gcp_service_account": "d"}
    given = {
        "name": names.topic,
        "labels": {"team": "ml"},
        "message_retention_duration": timedelta(days=1),
        "ingestion_data_source_settings": {"aws_kinesis": stream},
    }
    backend.publisher.create_topic(request=given)
    topic = {"name": names.topic, "message_retention_duration": timedelta(days=2)}
    mask = {"paths": ["message_retention_duration", "ingestion_data_source_settings"]}
    backend.publisher.update_topic(request={"topic": topic, "update_mask": mask})
    got = backend.publisher.get_topic(topic=names.topic)
    assert (got.labels, got.message_retention_duration) == ({"team": "ml"}, timedelta(days=2))
    assert not got.ingestion_data_source_settings.aws_kinesis
    assert got.state.name == differences.expected_value(backend.name, "state of a topic")


def test_a_dead_letter_policy_and_a_push_endpoint_are_changed_and_taken_away(backend: Backend, names: Names) -> None:
    backend.make(names, dead_letter_policy={"dead_letter_topic": names.dead, "max_delivery_attempts": 10})
    expires = backend.subscriber.get_subscription(subscription=names.subscription).expiration_policy.ttl
    days = differences.expected_value(backend.name, "days after which an unused subscription expires")
    assert expires == timedelta(days=days)

    def update(field: str, **fields: object) -> Any:
        subscription = {"name": names.subscription, **fields}
        request = {"subscription": subscription, "update_mask": {"paths": [field]}}
        return backend.subscriber.update_subscription(request=request)

    more = {"dead_letter_topic": names.dead, "max_delivery_attempts": 20}
    assert update("dead_letter_policy", dead_letter_policy=more).dead_letter_policy.max_delivery_attempts == 20
    assert update("dead_letter_policy").dead_letter_policy.dead_letter_topic == ""
    endpoint = {"push_endpoint": "http://127.0.0.1:1/push"}
    assert update("push_config", push_config=endpoint).push_config.push_endpoint == endpoint["push_endpoint"]
    listed = backend.subscriber.list_subscriptions(project=PROJECT)
    assert names.subscription in [one.name for one in listed]
