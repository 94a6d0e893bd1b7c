from __future__ import annotations

import queue
import threading
from collections import Counter
from typing import Any

from google.cloud.pubsub_v1.types import FlowControl

from contract.pubsub import differences
from contract.pubsub.backends import Backend, Names, new_names
from http_server import WAIT_SECONDS


class Consumer:
    """A streaming pull whose callback puts every message into a queue. `lease`: seconds for which it keeps one."""

    def __init__(self, backend: Backend, names: Names, most: int = 1_000, lease: int = 600) -> None:
        self.messages: queue.Queue[Any] = queue.Queue()
        flow = FlowControl(max_messages=most, min_duration_per_lease_extension=lease)
        self._future = backend.subscriber.subscribe(names.subscription, self.messages.put, flow_control=flow)

    def next(self) -> Any:
        return self.messages.get(timeout=WAIT_SECONDS)

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, *error: object) -> None:
        self._future.cancel()
        self._future.result(WAIT_SECONDS)


def test_every_message_is_streamed_once_when_it_is_acked(backend: Backend, names: Names) -> None:
    backend.make(names)
    with Consumer(backend, names) as consumer:
        ids = backend.publish(names, *(str(number) for number in range(500)))
        received: Counter[str] = Counter()
        for _ in ids:
            message = consumer.next()
            received[message.message_id] += 1
            message.ack()
        assert received == Counter(ids)


def test_a_nacked_message_is_streamed_again(backend: Backend, names: Names) -> None:
    backend.make(names)
    with Consumer(backend, names) as consumer:
        backend.publish(names, "a")
        first = consumer.next()
        first.nack()
        second = consumer.next()
        second.ack()
        assert second.message_id == first.message_id


def test_flow_control_holds_back_what_the_client_has_no_room_for(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publish(names, *(str(number) for number in range(20)))
    with Consumer(backend, names, most=4) as consumer:
        held = [consumer.next() for _ in range(4)]
        assert consumer.messages.empty()
        for message in held:
            message.ack()
        for _ in range(16):
            consumer.next().ack()


def test_the_client_keeps_a_message_whose_callback_takes_longer_than_the_ack_deadline(
    backend: Backend, names: Names
) -> None:
    """And so does one that pulls, and asks for more time itself."""
    other = new_names()
    for one in (names, other):
        backend.make(one, ack_deadline_seconds=10)
    backend.publish(other, "slow")
    backend.modify(other.subscription, backend.pull(other.subscription, 1), 600)
    # It renews a lease at any time until nine tenths of it are over: of ten seconds one would be left for a busy machine.
    with Consumer(backend, names, lease=60) as consumer:
        backend.publish(names, "slow")
        slow = consumer.next()
        # Longer than the ack deadline: only a second delivery, which would be the fault, ends this wait early.
        second = threading.Event()

        def await_second() -> None:
            consumer.messages.get()
            second.set()

        threading.Thread(target=await_second, daemon=True).start()
        assert not second.wait(12)
        assert backend.pull_now(other.subscription) == []
        slow.ack()
        backend.publish(names, "end")
        assert second.wait(WAIT_SECONDS)


def test_ordered_messages_are_streamed_in_order_for_every_key(backend: Backend, names: Names) -> None:
    backend.make(names, enable_message_ordering=True)
    sent = {key: [f"{key}{number}" for number in range(20)] for key in "abc"}
    for key, texts in sent.items():
        backend.publish(names, *texts, ordering_key=key)
    seen: dict[str, list[str]] = {key: [] for key in sent}
    with Consumer(backend, names) as consumer:
        for _ in range(60):
            message = consumer.next()
            seen[message.ordering_key].append(message.data.decode())
            message.ack()
    assert seen == sent


def test_a_nacked_message_is_streamed_again_before_the_rest_of_its_key(backend: Backend, names: Names) -> None:
    backend.make(names, enable_message_ordering=True)
    backend.publish(names, "1", "2", "3", ordering_key="key")
    with Consumer(backend, names) as consumer:
        first = consumer.next()
        first.nack()
        seen: list[str] = []
        while len(seen) < 3:
            message = consumer.next()
            seen.append(message.data.decode())
            message.ack()
    assert first.data == b"1"
    assert seen == differences.expected_value(backend.name, "order of 1, 2, 3 of one key when 1 is nacked first")
