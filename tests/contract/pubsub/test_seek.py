"""Filters, retained messages, Seek and snapshots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import FailedPrecondition, NotFound

from contract.pubsub import backends, differences
from contract.pubsub.backends import PROJECT, Backend, Names, text


def seek(backend: Backend, names: Names, time: datetime) -> None:
    backend.subscriber.seek(request={"subscription": names.subscription, "time": time})


def test_which_messages_a_filter_lets_through_differs(backend: Backend, names: Names) -> None:
    expression = 'attributes.colour = "red" AND NOT attributes:old'
    backend.make(names, filter=expression)
    assert backend.subscriber.get_subscription(subscription=names.subscription).filter == expression
    backend.publish(names, "blue", colour="blue")
    backend.publish(names, "red", colour="red")
    expected = differences.expected_value(backend.name, "messages that a filter lets through")
    assert sorted(text(one) for one in backend.pull(names.subscription, len(expected))) == sorted(expected)
    assert backend.pull_now(names.subscription) == []


@pytest.mark.parametrize("retained", [True, False])
def test_a_seek_to_before_brings_back_what_was_acked_if_it_is_retained(
    backend: Backend, names: Names, retained: bool
) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    backend.make(names, retain_acked_messages=retained)
    got = backend.subscriber.get_subscription(subscription=names.subscription)
    assert got.retain_acked_messages == retained
    backend.publish(names, "acked", "leased")
    received = backend.pull(names.subscription, 2)
    backend.ack(names.subscription, [one for one in received if text(one) == "acked"])
    seek(backend, names, before)
    expected = {"acked", "leased"} if retained else {"leased"}
    assert {text(one) for one in backend.pull(names.subscription, len(expected))} == expected


def test_a_seek_to_later_acks_what_is_there(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publish(names, "leased", "ready")
    backend.pull(names.subscription, 1, most=1)
    seek(backend, names, datetime.now(UTC) + timedelta(hours=1))
    assert backend.pull_now(names.subscription) == []
    backend.publish(names, "new")
    assert [text(one) for one in backend.pull(names.subscription, 1)] == ["new"]


def test_a_seek_between_two_messages_brings_the_second(backend: Backend, names: Names) -> None:
    backend.make(names, retain_acked_messages=True)
    backend.publish(names, "first")
    (first,) = backend.pull(names.subscription, 1)
    backend.ack(names.subscription, [first])
    while datetime.now(UTC) - first.message.publish_time < timedelta(milliseconds=10):
        continue
    between = datetime.now(UTC)
    while datetime.now(UTC) - between < timedelta(milliseconds=10):
        continue
    backend.publish(names, "second")
    backend.ack(names.subscription, backend.pull(names.subscription, 1))
    seek(backend, names, between)
    assert [text(one) for one in backend.pull(names.subscription, 1)] == ["second"]
    assert backend.pull_now(names.subscription) == []


def test_what_is_retained_is_forgotten_when_that_is_turned_off(backend: Backend, names: Names) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    backend.make(names, retain_acked_messages=True)
    backend.publish(names, "acked")
    backend.ack(names.subscription, backend.pull(names.subscription, 1))
    subscription = {"name": names.subscription, "topic": names.topic}
    mask = {"paths": ["retain_acked_messages"]}
    got = backend.subscriber.update_subscription(request={"subscription": subscription, "update_mask": mask})
    assert not got.retain_acked_messages
    if backend.name == "ours":
        seek(backend, names, before)
        assert backend.pull_now(names.subscription) == []


def test_a_seek_to_a_snapshot_brings_what_was_not_acked_and_what_came_since(backend: Backend, names: Names) -> None:
    backend.make(names)
    other = f"{names.subscription}-2"
    backend.subscriber.create_subscription(name=other, topic=names.topic, ack_deadline_seconds=600)
    backend.publish(names, "acked", "leased")
    received = backend.pull(names.subscription, 2)
    backend.ack(names.subscription, [one for one in received if text(one) == "acked"])
    name = names.subscription.replace("/subscriptions/", "/snapshots/")
    request = {"name": name, "subscription": names.subscription, "labels": {"team": "ml"}}
    made = backend.subscriber.create_snapshot(request=request)
    assert (made.name, made.topic) == (name, names.topic)
    assert made.labels == differences.expected_value(backend.name, "labels of a snapshot")
    assert made.expire_time > datetime.now(UTC) + timedelta(days=6)
    backend.publish(names, "new")
    for subscription in (names.subscription, other):
        backend.subscriber.seek(request={"subscription": subscription, "snapshot": name})
        assert {text(one) for one in backend.pull(subscription, 2)} == {"leased", "new"}
        assert backend.pull_now(subscription) == []
    assert name in [one.name for one in backend.subscriber.list_snapshots(project=PROJECT)]
    assert list(backend.publisher.list_topic_snapshots(topic=names.topic)) == [name]
    backend.subscriber.delete_snapshot(snapshot=name)
    with pytest.raises(NotFound):
        backend.subscriber.get_snapshot(snapshot=name)


def test_a_snapshot_of_another_topic_is_no_place_to_seek_to(backend: Backend, names: Names) -> None:
    backend.make(names)
    elsewhere = backends.new_names()
    backend.make(elsewhere)
    name = names.subscription.replace("/subscriptions/", "/snapshots/")
    backend.subscriber.create_snapshot(name=name, subscription=elsewhere.subscription)
    with pytest.raises(FailedPrecondition):
        backend.subscriber.seek(request={"subscription": names.subscription, "snapshot": name})
