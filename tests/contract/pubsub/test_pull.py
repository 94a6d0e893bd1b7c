from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from google.api_core.exceptions import DeadlineExceeded

from contract.pubsub import differences
from contract.pubsub.backends import Backend, Names, text
from http_server import WAIT_SECONDS

ATTEMPTS = 5


def test_a_message_arrives_as_it_was_published(backend: Backend, names: Names) -> None:
    backend.make(names)
    (message_id,) = backend.publish(names, "hello", colour="red", ordering_key="key")
    (received,) = backend.pull(names.subscription, 1)
    message = received.message
    assert (message.data, dict(message.attributes)) == (b"hello", {"colour": "red"})
    assert (message.message_id, message.ordering_key) == (message_id, "key")
    assert abs(datetime.now(UTC) - message.publish_time) < timedelta(minutes=1)


def test_message_ids_are_unique(backend: Backend, names: Names) -> None:
    backend.make(names)
    ids = backend.publish(names, *(str(number) for number in range(300)))
    assert len(set(ids)) == 300
    received = backend.pull(names.subscription, 300, 100)
    assert {one.message.message_id for one in received} == set(ids)


def test_a_pull_waits_for_the_first_message(backend: Backend, names: Names) -> None:
    backend.make(names)
    with ThreadPoolExecutor() as pool:
        pulled = pool.submit(backend.pull, names.subscription, 1)
        backend.publish(names, "late")
        assert [text(one) for one in pulled.result(WAIT_SECONDS)] == ["late"]


def test_a_pull_without_messages_is_empty(backend: Backend, names: Names) -> None:
    backend.make(names)
    assert backend.pull_now(names.subscription) == []
    assert any(pull_is_empty(backend, names) for _ in range(ATTEMPTS))


def pull_is_empty(backend: Backend, names: Names) -> bool:
    """The answer comes half a second before the client gives up, which a machine that stalls lets pass."""
    try:
        found = backend.subscriber.pull(subscription=names.subscription, max_messages=1, timeout=4)
    except DeadlineExceeded:
        return False
    return list(found.received_messages) == []


def test_an_acked_message_does_not_come_back(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publish(names, "a", "b")
    received = backend.pull(names.subscription, 2)
    acked = [one for one in received if text(one) == "a"]
    backend.ack(names.subscription, acked)
    backend.modify(names.subscription, [one for one in received if text(one) == "b"], 0)
    assert [text(one) for one in backend.pull(names.subscription, 1)] == ["b"]
    assert backend.pull_now(names.subscription) == []


def test_a_nacked_message_comes_back_with_another_ack_id(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publish(names, "a")
    first = backend.pull(names.subscription, 1)
    backend.modify(names.subscription, first, 0)
    second = backend.pull(names.subscription, 1)
    assert second[0].message.message_id == first[0].message.message_id
    assert second[0].ack_id != first[0].ack_id


def test_an_unacked_message_comes_back_after_its_ack_deadline(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publish(names, "a")
    first = backend.pull(names.subscription, 1)
    backend.modify(names.subscription, first, 1)
    second = backend.pull(names.subscription, 1)
    assert text(second[0]) == "a"


def test_without_a_dead_letter_policy_no_attempts_are_counted(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publish(names, "a")
    assert not backend.pull(names.subscription, 1)[0].delivery_attempt


def test_ordered_messages_come_in_order(backend: Backend, names: Names) -> None:
    backend.make(names, enable_message_ordering=True)
    backend.publish(names, "1", "2", "3", "4", ordering_key="key")
    seen: list[str] = []
    while len(seen) < 4:
        received = backend.pull(names.subscription, 1)
        seen += [text(one) for one in received]
        backend.ack(names.subscription, received)
    assert seen == ["1", "2", "3", "4"]


def test_how_many_of_one_key_come_at_once_differs(backend: Backend, names: Names) -> None:
    backend.make(names, enable_message_ordering=True)
    backend.publish(names, "1", "2", ordering_key="key")
    received = backend.pull(names.subscription, 1)
    assert len(received) == differences.expected_value(backend.name, "messages of one ordering key in one pull")


def test_a_redelivered_message_is_followed_by_the_rest_of_its_key(backend: Backend, names: Names) -> None:
    backend.make(names, enable_message_ordering=True)
    backend.publish(names, "1", "2", "3", ordering_key="key")
    first = backend.pull(names.subscription, 1, most=1)
    backend.modify(names.subscription, first, 0)
    seen: list[str] = []
    while len(seen) < 3:
        received = backend.pull(names.subscription, 1, most=1)
        seen += [text(one) for one in received]
        backend.ack(names.subscription, received)
    assert seen == differences.expected_value(backend.name, "order of 1, 2, 3 of one key when 1 is nacked first")
