"""Publishing from an event loop, without a thread for each request.

`google-cloud-pubsub`'s own publisher starts a thread for every request, and a request holds messages of one ordering key
only: https://cloud.google.com/pubsub/docs/ordering. Where each event has a key of its own, that is a thread an event. So
the requests are made here, on a channel as the library's own, and what waits for the same key goes in one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from modelserve.core.errors import PublishFailed
from modelserve.core.settings import google_variable

METHOD: Final = "/google.pubsub.v1.Publisher/Publish"
# Pub/Sub takes requests of 10 MB and 1,000 messages, https://cloud.google.com/pubsub/quotas; the rest is for framing.
MAX_REQUEST, MAX_MESSAGES = 9_000_000, 1_000
FRAME: Final = 16  # bytes around each message of a request, at most
# A connection of HTTP/2 carries about so many requests at a time; more would wait in it while their time runs out.
AT_ONCE: Final = 100
FIRST_BACKOFF: Final = 0.1  # seconds
TOPIC_AT_FAULT: Final = frozenset({"NOT_FOUND", "PERMISSION_DENIED"})
# As the library's own: without a bound on an answer, and told after 30 s when nobody is there any more.
CHANNEL: Final = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 4 << 20),
    ("grpc.keepalive_time_ms", 30_000),
]

Wire = Any  # a google.pubsub.v1.PubsubMessage; protobuf ships no types


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one caller waits for."""

    messages: Sequence[Wire]
    accepted: asyncio.Future[None]


class Publisher:
    """`publish` and `send` return when Pub/Sub has the messages, or raise PublishFailed. `timeout` in seconds.

    Made on any thread, which may take half a second for the credentials; used from one event loop at a time.
    """

    def __init__(self, timeout: float) -> None:
        from google.api_core.gapic_v1 import routing_header
        from google.auth import default
        from google.pubsub_v1 import types
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport

        self.timeout = timeout
        self._message = types.PubsubMessage.pb()
        self._request = types.PublishRequest.pb()
        self._answer = types.PublishResponse.pb()
        self._metadata: Any = routing_header.to_grpc_metadata
        self._transport = PublisherGrpcAsyncIOTransport
        self._emulator = google_variable("PUBSUB_EMULATOR_HOST")
        scopes = PublisherGrpcAsyncIOTransport.AUTH_SCOPES
        self._credentials = None if self._emulator else default(scopes)[0]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: dict[tuple[str, str], list[Waiting]] = {}

    async def publish(self, topic: str, data: bytes, key: str, attributes: Mapping[str, str]) -> None:
        """Messages of one key are sent in the order of the calls. A failure stops none that come after it."""
        message = self._made(data, key, attributes)
        loop = self._connected()
        if not key or (topic, key) in self._lanes:
            await self._wait(loop, topic, key, [message])
            return
        waiting = self._lanes[topic, key] = []
        try:
            await self._send(topic, [message])
        finally:
            if waiting:  # since this one was begun
                self._start(loop, self._drain(topic, key))
            else:
                del self._lanes[topic, key]

    async def send(self, topic: str, messages: Iterable[tuple[bytes, Mapping[str, str]]]) -> None:
        """All of them, without a key and in few requests, which others share that are there at the same time."""
        made = [self._made(data, "", attributes) for data, attributes in messages]
        await self._wait(self._connected(), topic, "", made)

    def _made(self, data: bytes, key: str, attributes: Mapping[str, str]) -> Wire:
        try:
            return self._message(data=data, ordering_key=key, attributes=attributes)
        except (TypeError, ValueError) as error:
            raise PublishFailed("The results cannot be a message of Pub/Sub.") from error

    # --- on the loop ---

    def _connected(self) -> asyncio.AbstractEventLoop:
        """A channel belongs to the loop that it was made on."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            self._tasks: set[asyncio.Task[None]] = set()
            self._lanes.clear()
            self._free = asyncio.Semaphore(AT_ONCE)
            self._call = self._caller()
        return loop

    def _caller(self) -> Any:
        """Sends a request with its metadata until `end`, a time of the loop, and tries again what may pass.

        The library's own way to try again is several calls around each request, so it is for those that have failed.
        """
        import grpc
        from google.api_core.retry import AsyncRetry

        if self._emulator:
            channel = grpc.aio.insecure_channel(self._emulator)
        else:
            # The library's transport would put a task of its own around each request, to log it.
            target = f"{self._transport.DEFAULT_HOST}:443"
            channel = self._transport.create_channel(target, self._credentials, options=CHANNEL)
        codes = grpc.StatusCode
        # As the library's own publisher: https://github.com/googleapis/googleapis, pubsub_grpc_service_config.json.
        passing = {
            codes.ABORTED,
            codes.CANCELLED,
            codes.DEADLINE_EXCEEDED,
            codes.INTERNAL,
            codes.RESOURCE_EXHAUSTED,
            codes.UNAVAILABLE,
            codes.UNKNOWN,
        }

        def passes(error: BaseException) -> bool:
            return isinstance(error, grpc.aio.AioRpcError) and error.code() in passing

        call = channel.unary_unary(
            METHOD, request_serializer=self._request.SerializeToString, response_deserializer=self._answer.FromString
        )

        async def once(request: Any, metadata: Any, end: float) -> Any:
            return await call(request, timeout=end - asyncio.get_running_loop().time(), metadata=metadata)

        again = AsyncRetry(passes, initial=FIRST_BACKOFF, timeout=self.timeout)(once)

        async def send(request: Any, metadata: Any, end: float) -> Any:
            try:
                return await once(request, metadata, end)
            except grpc.aio.AioRpcError as error:
                if not passes(error):
                    raise
            async with asyncio.timeout_at(end):
                await asyncio.sleep(FIRST_BACKOFF)
                return await again(request, metadata, end)

        return send

    async def _wait(self, loop: asyncio.AbstractEventLoop, topic: str, key: str, messages: Sequence[Wire]) -> None:
        """Until what waits in this lane has been sent."""
        lane = self._lanes.get((topic, key))
        if lane is None:
            lane = self._lanes[topic, key] = []
            self._start(loop, self._drain(topic, key))
        waiting = Waiting(messages, loop.create_future())
        lane.append(waiting)
        await waiting.accepted

    def _start(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
        task = loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, topic: str, key: str) -> None:
        """Send what waits for this key, and what has come meanwhile; without a key nothing waits for another request."""
        if not key:
            await self._send_all(topic, self._lanes.pop((topic, key)))
            return
        while waiting := self._lanes[topic, key]:
            self._lanes[topic, key] = []
            await self._send_all(topic, waiting)
        del self._lanes[topic, key]

    async def _send_all(self, topic: str, waiting: Iterable[Waiting]) -> None:
        for together in shared(one for one in waiting if not one.accepted.done()):  # the others' callers have given up
            error = await self._send_together(topic, together)
            if refused(error) and len(together) > 1:
                # Whoever is at fault must not spoil the others, and is found by halves: they wait behind one another.
                middle = len(together) // 2
                await self._send_all(topic, together[:middle])
                await self._send_all(topic, together[middle:])
            else:
                for one in together:
                    settle(one, error)

    async def _send_together(self, topic: str, waiting: Sequence[Waiting]) -> PublishFailed | None:
        try:
            for group in groups(chain.from_iterable(one.messages for one in waiting)):
                await self._send(topic, group, waiting)
        except PublishFailed as error:
            return error
        return None

    async def _send(self, topic: str, messages: Sequence[Wire], waiting: Sequence[Waiting] = ()) -> None:
        """In `timeout` seconds, which begin when it is its turn: the records of one message may be many requests.

        Not at all when all of `waiting` have given up meanwhile: who comes after them would wait for that, too.
        """
        metadata = self._metadata((("topic", topic),))
        try:
            async with self._free:
                if waiting and all(one.accepted.done() for one in waiting):
                    return
                end = asyncio.get_running_loop().time() + self.timeout
                await self._call(self._request(topic=topic, messages=messages), (metadata,), end)
        except Exception as error:
            raise PublishFailed(f"Pub/Sub did not accept the messages{why(error)}.") from error


def settle(one: Waiting, error: PublishFailed | None) -> None:
    if one.accepted.done():  # whoever waited has given up
        return
    if error is None:
        one.accepted.set_result(None)
    else:
        one.accepted.set_exception(error)


def refused(error: PublishFailed | None) -> bool:
    """Whether Pub/Sub will never take one of the messages."""
    return error is not None and status_of(error.__cause__) == "INVALID_ARGUMENT"


def why(error: BaseException) -> str:
    status = status_of(error)
    hint = "; the topic must be there, and this service account may publish to it" if status in TOPIC_AT_FAULT else ""
    return f": {status}{hint}" if status else " in time"


def status_of(error: BaseException | None) -> str | None:
    """The name of the status that Pub/Sub answered with; None when it did not answer."""
    code = getattr(error, "code", None)
    return str(code().name) if callable(code) else None


def shared(waiting: Iterable[Waiting]) -> Iterator[list[Waiting]]:
    """Those that go in one request; who needs more than one shares none."""
    together: list[Waiting] = []
    count = size = 0
    for one in waiting:
        own = sum(message.ByteSize() + FRAME for message in one.messages)
        if together and (count + len(one.messages) > MAX_MESSAGES or size + own > MAX_REQUEST):
            yield together
            together, count, size = [], 0, 0
        together.append(one)
        count += len(one.messages)
        size += own
    if together:
        yield together


def groups(messages: Iterable[Wire]) -> Iterator[list[Wire]]:
    """As many together as one request takes."""
    group: list[Wire] = []
    size = 0
    for message in messages:
        length = message.ByteSize() + FRAME
        if group and (len(group) == MAX_MESSAGES or size + length > MAX_REQUEST):
            yield group
            group, size = [], 0
        group.append(message)
        size += length
    if group:
        yield group
