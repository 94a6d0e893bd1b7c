from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.pubsub_v1 import types

from modelserve.core.errors import BadSetting, PublishFailed
from modelserve.events import publisher as publishing
from modelserve.events.publisher import AT_ONCE, MAX_REQUEST, Outgoing, Publisher, topic_path
from modelserve_control.common import processes
from modelserve_control.local import resources
from pubsub_host import NAMES, host, pull

__all__ = ["host"]


@pytest.fixture
def publisher(host: str, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    return Publisher(timeout=60.0)


@pytest.fixture
def requests(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Messages of each request that the publisher makes."""
    made: list[int] = []
    send = publisher._send

    async def count_messages(topic: str, messages: Sequence[Any], group: Sequence[Any]) -> None:
        made.append(len(messages))
        await send(topic, messages, group)

    monkeypatch.setattr(publisher, "_send", count_messages)
    return made


@pytest.mark.parametrize("together", [True, False], ids=["one caller", "many callers"])
def test_messages_go_out_in_few_requests_within_the_limits(
    publisher: Publisher, requests: list[int], together: bool
) -> None:
    async def publish(count: int, size: int) -> list[int]:
        requests.clear()
        messages: list[Outgoing] = [(b"x" * size, {})] * count
        calls = [messages] if together else [[one] for one in messages]
        await asyncio.gather(*(publisher.publish(NAMES.dead_letter, call) for call in calls))
        return list(requests)

    assert asyncio.run(publish(2_500, 1)) == [1_000, 1_000, 500]
    assert asyncio.run(publish(3, MAX_REQUEST // 2)) == [1, 1, 1]
    assert asyncio.run(publish(0, 0)) == []


@pytest.mark.parametrize("key", ["", "k"])
def test_what_pubsub_refuses_is_reported_and_blocks_nothing(host: str, publisher: Publisher, key: str) -> None:
    async def fail_then_publish() -> None:
        late = f"projects/p/topics/late-{len(key)}"
        with pytest.raises(PublishFailed, match="NOT_FOUND"):
            await publisher.publish(late, [(b"lost", {})], key)
        with resources.publisher(host) as topics:
            topics.create_topic(name=late)
        await publisher.publish(late, [(b"the key is not blocked", {})], key)
        with pytest.raises(PublishFailed):
            await publisher.publish(NAMES.predictions, [(b"lost", {"k": 5})], key)  # type: ignore[dict-item]  # what the client refuses
        await publisher.publish(NAMES.predictions, [(b"kept", {})], key)

    asyncio.run(fail_then_publish())
    assert [message.data for message in pull(host, NAMES.predictions_pull)] == [b"kept"]


def test_messages_of_one_key_arrive_in_the_order_of_the_calls(host: str, publisher: Publisher) -> None:
    sent = [(b"%d" % number, f"key-{number % 3}") for number in range(60)]

    async def publish() -> None:
        early = [asyncio.create_task(publisher.publish(NAMES.predictions, [(one[0], {})], one[1])) for one in sent[:30]]
        await asyncio.sleep(0)  # the first requests are under way when the others come
        late = [asyncio.create_task(publisher.publish(NAMES.predictions, [(one[0], {})], one[1])) for one in sent[30:]]
        await asyncio.gather(*early, *late)

    asyncio.run(publish())
    found = [(message.data, message.ordering_key) for message in pull(host, NAMES.predictions_pull, 60)]
    assert sorted(found) == sorted(sent)
    for key in {key for _, key in sent}:
        assert [one for one in found if one[1] == key] == [one for one in sent if one[1] == key]


def test_messages_without_a_key_share_a_request(publisher: Publisher, requests: list[int]) -> None:
    async def publish(key: str) -> None:
        await asyncio.gather(
            *(publisher.publish(NAMES.dead_letter, [(b"x", {})], f"{key}{n}" if key else "") for n in range(50))
        )

    asyncio.run(publish(""))
    assert requests == [50]
    asyncio.run(publish("k"))
    assert requests[1:] == [1] * 50


def test_who_publishes_many_shares_a_request_too(publisher: Publisher, requests: list[int]) -> None:
    async def publish(*counts: int) -> list[int]:
        requests.clear()
        await asyncio.gather(*(publisher.publish(NAMES.dead_letter, [(b"x", {})] * count) for count in counts))
        return list(requests)

    assert asyncio.run(publish(100, 100, 100)) == [300]
    assert asyncio.run(publish(400, 400, 400)) == [800, 400], "nobody is cut in two"
    assert sorted(asyncio.run(publish(5, 2_500, 5))) == [5, 5, 500, 1_000, 1_000], "unless it must be"


def test_one_that_pubsub_refuses_spoils_none_of_those_that_share_its_request(host: str, publisher: Publisher) -> None:
    async def publish() -> tuple[BaseException | None, ...]:
        refused = [(b"refused", {"k": "v" * 2_000})]
        return await asyncio.gather(
            publisher.publish(NAMES.predictions, [(b"one", {})]),
            publisher.publish(NAMES.predictions, refused),
            publisher.publish(NAMES.predictions, [(b"two", {}), (b"three", {})]),
            return_exceptions=True,
        )

    one, error, several = asyncio.run(publish())
    assert (one, type(error), several) == (None, PublishFailed, None)
    assert sorted(message.data for message in pull(host, NAMES.predictions_pull, 3)) == [b"one", b"three", b"two"]


@pytest.mark.parametrize("key", ["", "halves"])
def test_one_that_pubsub_refuses_is_found_by_halves(
    host: str, publisher: Publisher, requests: list[int], key: str
) -> None:
    """The others go in as few requests as that takes, in their order."""

    async def publish() -> list[BaseException | None]:
        first = asyncio.create_task(publisher.publish(NAMES.predictions, [(b"0", {})], key))
        await asyncio.sleep(0)
        attributes = [{"k": "v" * 2_000} if number == 40 else {} for number in range(1, 65)]
        others = [publisher.publish(NAMES.predictions, [(b"%d" % n, own)], key) for n, own in enumerate(attributes, 1)]
        return await asyncio.gather(first, *others, return_exceptions=True)

    outcomes = asyncio.run(publish())
    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, PublishFailed)] == [40]
    assert len(requests) <= 2 + 2 * 7
    found = [int(message.data) for message in pull(host, NAMES.predictions_pull, 64)]
    assert (found if key else sorted(found)) == [number for number in range(65) if number != 40]


def test_a_caller_that_gives_up_stops_none_that_come_after_it(host: str, publisher: Publisher) -> None:
    """It has sent the first message of its key; the others wait for it."""

    async def publish() -> None:
        first = asyncio.create_task(publisher.publish(NAMES.predictions, [(b"first", {})], "given up"))
        await asyncio.sleep(0)
        others = [
            asyncio.create_task(publisher.publish(NAMES.predictions, [(b"%d" % n, {})], "given up")) for n in range(3)
        ]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(*others)

    asyncio.run(publish())
    found = {message.data for message in pull(host, NAMES.predictions_pull, 3)}
    while len(found - {b"first"}) < 3:  # Pub/Sub had the first one already
        found |= {message.data for message in pull(host, NAMES.predictions_pull)}
    assert found - {b"first"} == {b"0", b"1", b"2"}


def test_one_that_is_away_is_given_up_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{processes.free_port()}")
    with pytest.raises(PublishFailed, match="in time"):
        asyncio.run(Publisher(timeout=0.5).publish(NAMES.predictions, [(b"x", {})]))


@contextmanager
def failing(*codes: grpc.StatusCode, slow: float = 0.0, accepted: list[bytes] | None = None) -> Iterator[str]:
    """A publisher service that fails once with each code and then accepts everything, in `slow` seconds a request.
    `accepted` gets the data of its messages."""
    left = list(codes)

    def publish(request: bytes, context: Any) -> bytes:
        if left:
            context.abort(left.pop(0), "not now")
        time.sleep(slow)
        if accepted is not None:
            accepted.extend(message.data for message in types.PublishRequest.pb().FromString(request).messages)
        return bytes(types.PublishResponse.pb()(message_ids=["1"]).SerializeToString())

    handler = grpc.method_handlers_generic_handler(
        "google.pubsub.v1.Publisher", {"Publish": grpc.unary_unary_rpc_method_handler(publish)}
    )
    service = grpc.server(ThreadPoolExecutor(AT_ONCE), handlers=[handler])
    port = service.add_insecure_port("127.0.0.1:0")
    service.start()
    try:
        yield f"127.0.0.1:{port}"
        assert left == [], "each fault is met"
    finally:
        service.stop(None).wait()


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL"])
def test_what_passes_is_tried_again(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    with failing(grpc.StatusCode[code]) as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        asyncio.run(Publisher(timeout=60.0).publish(NAMES.predictions, [(b"x", {})], "k"))


def test_a_message_waits_while_the_one_before_it_with_the_same_key_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted: list[bytes] = []
    with failing(grpc.StatusCode.UNAVAILABLE, accepted=accepted) as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        publisher = Publisher(timeout=60.0)

        async def publish() -> None:
            first = asyncio.create_task(publisher.publish(NAMES.predictions, [(b"1", {})], "k"))
            for _ in range(5):  # its request is under way
                await asyncio.sleep(0)
            await asyncio.gather(first, publisher.publish(NAMES.predictions, [(b"2", {})], "k"))

        asyncio.run(publish())
    assert accepted == [b"1", b"2"]


def test_each_of_many_requests_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the records of one message have, each with a key of its own: together they take longer than one request may."""
    monkeypatch.setattr(publishing, "AT_ONCE", 10)
    with failing(slow=0.25) as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        publisher = Publisher(timeout=3.5)  # most of which the machine may stand still

        async def publish() -> None:
            keys = map(str, range(16 * 10))
            await asyncio.gather(*(publisher.publish(NAMES.predictions, [(b"x", {})], key) for key in keys))

        asyncio.run(publish())


def test_what_does_not_pass_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with failing(grpc.StatusCode.PERMISSION_DENIED) as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        with pytest.raises(PublishFailed, match="PERMISSION_DENIED"):
            asyncio.run(Publisher(timeout=60.0).publish(NAMES.predictions, [(b"x", {})], "k"))


@pytest.mark.parametrize("key", ["", "k"])
def test_what_nobody_waits_for_any_more_is_not_sent_when_its_turn_comes(
    host: str, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Its message comes again, and would be published twice, before others that somebody waits for."""
    monkeypatch.setattr(publishing, "AT_ONCE", 1)

    async def publish() -> None:
        publisher._connect()
        async with publisher._free:
            given_up = asyncio.create_task(publisher.publish(NAMES.predictions, [(b"given up", {})], key))
            while not publisher._free._waiters:
                await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.wait([given_up])
        await publisher.publish(NAMES.predictions, [(b"wanted", {})])

    asyncio.run(publish())
    assert [message.data for message in pull(host, NAMES.predictions_pull)] == [b"wanted"]


def test_a_topic_is_named_in_full_or_in_the_project() -> None:
    assert topic_path("projects/p/topics/t", "", "X") == "projects/p/topics/t"
    assert topic_path("t", "p", "X") == "projects/p/topics/t"
    with pytest.raises(BadSetting, match="PREDICTIONS_TOPIC is not set"):
        topic_path("", "p", "PREDICTIONS_TOPIC")
    with pytest.raises(BadSetting, match="names no project and GOOGLE_CLOUD_PROJECT is not set"):
        topic_path("t", "", "PREDICTIONS_TOPIC")
