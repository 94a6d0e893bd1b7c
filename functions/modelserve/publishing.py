"""Publishing from an event loop, without a thread for each request.

`google-cloud-pubsub`'s own publisher starts a thread for every request, and a request holds messages of one ordering key
only: https://cloud.google.com/pubsub/docs/ordering. Where each event has a key of its own, that is a thread an event. So
the requests are made here, on the library's own channel, and what waits for the same key goes in one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from modelserve.errors import PublishFailed
from modelserve.settings import google

METHOD: Final = "/google.pubsub.v1.Publisher/Publish"
# Pub/Sub takes requests of 10 MB and 1,000 messages, https://cloud.google.com/pubsub/quotas; the rest is for framing.
MAX_REQUEST, MAX_MESSAGES = 9_000_000, 1_000
FRAME: Final = 16  # bytes around each message of a request, at most
# A connection of HTTP/2 carries about so many requests at a time; more would wait in it while their time runs out.
AT_ONCE: Final = 100
FIRST_BACKOFF: Final = 0.1  # seconds

Wire = Any  # a google.pubsub.v1.PubsubMessage; protobuf ships no types
Waiting = list[tuple[Wire, "asyncio.Future[None]"]]


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
        self._emulator = google("PUBSUB_EMULATOR_HOST")
        scopes = PublisherGrpcAsyncIOTransport.AUTH_SCOPES
        self._credentials = None if self._emulator else default(scopes)[0]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: dict[tuple[str, str], Waiting] = {}

    async def publish(self, topic: str, data: bytes, key: str, attributes: Mapping[str, str]) -> None:
        """Messages of one key are sent in the order of the calls. A failure stops none that come after it."""
        try:
            message = self._message(data=data, ordering_key=key, attributes=attributes)
        except (TypeError, ValueError) as error:
            raise PublishFailed("The results cannot be a message of Pub/Sub.") from error
        loop = self._connected()
        accepted: asyncio.Future[None] = loop.create_future()
        lane = self._lanes.get((topic, key))
        if lane is None:
            lane = self._lanes[topic, key] = []
            task = loop.create_task(self._drain(topic, key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.append((message, accepted))
        await accepted

    async def send(self, topic: str, messages: Iterable[tuple[bytes, Mapping[str, str]]]) -> None:
        """All of them, without a key and in few requests."""
        self._connected()
        made = [self._message(data=data, attributes=attributes) for data, attributes in messages]
        for group in groups(made):
            await self._send(topic, group)

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
        import grpc
        from google.api_core.retry import AsyncRetry

        if self._emulator:
            transport = self._transport(channel=grpc.aio.insecure_channel(self._emulator))
        else:
            transport = self._transport(credentials=self._credentials)
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

        call = transport.grpc_channel.unary_unary(
            METHOD, request_serializer=self._request.SerializeToString, response_deserializer=self._answer.FromString
        )

        async def once(request: Any, metadata: Any) -> Any:
            return await call(request, timeout=self.timeout, metadata=metadata)

        return AsyncRetry(passes, initial=FIRST_BACKOFF, timeout=self.timeout)(once)

    async def _drain(self, topic: str, key: str) -> None:
        """Send what waits for this key, and what has come meanwhile; without a key nothing waits for another request."""
        if not key:
            await self._send_all(topic, self._lanes.pop((topic, key)))
            return
        while waiting := self._lanes[topic, key]:
            self._lanes[topic, key] = []
            await self._send_all(topic, waiting)
        del self._lanes[topic, key]

    async def _send_all(self, topic: str, waiting: Waiting) -> None:
        waiting = [one for one in waiting if not one[1].done()]  # the others' callers have given up
        futures = iter([accepted for _, accepted in waiting])
        for group in groups(message for message, _ in waiting):
            own = list(islice(futures, len(group)))
            try:
                await self._send(topic, group)
            except PublishFailed as error:
                settle(own, error)
            else:
                settle(own, None)

    async def _send(self, topic: str, messages: list[Wire]) -> None:
        metadata = self._metadata((("topic", topic),))
        try:
            async with self._free, asyncio.timeout(self.timeout):
                await self._call(self._request(topic=topic, messages=messages), (metadata,))
        except Exception as error:
            raise PublishFailed("Pub/Sub did not accept the messages in time.") from error


def settle(accepted: Iterable[asyncio.Future[None]], error: PublishFailed | None) -> None:
    for future in accepted:
        if future.done():  # whoever waited has given up
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


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
