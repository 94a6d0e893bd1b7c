"""Publishing from an event loop, without a thread for each request.

google-cloud-pubsub's publisher starts a thread for each request, and a request holds messages of one ordering key only
(https://cloud.google.com/pubsub/docs/ordering): with a key for each event, that is a thread for each event.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import le
from typing import Any, Final

from modelserve.core.coalescer import Coalescer, Pending, chunks
from modelserve.core.errors import BadSetting, PublishFailed
from modelserve.core.settings import google_variable

METHOD: Final = "/google.pubsub.v1.Publisher/Publish"
# Pub/Sub takes requests of 10 MB and 1,000 messages, https://cloud.google.com/pubsub/quotas; the rest is for framing.
MAX_MESSAGES, MAX_REQUEST = LIMITS = 1_000, 9_000_000
FRAME: Final = 16  # bytes around each message of a request, at most
# A connection of HTTP/2 carries about so many requests at a time; more would wait in it while their time runs out.
AT_ONCE: Final = 100
INITIAL_BACKOFF: Final = 0.1  # seconds
RETRYABLE: Final = (
    "ABORTED",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "UNKNOWN",
)
TOPIC_AT_FAULT: Final = frozenset({"NOT_FOUND", "PERMISSION_DENIED"})
# As the library's own: without a bound on an answer, and told after 30 s when nobody is there any more.
CHANNEL: Final = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 4 << 20),
    ("grpc.keepalive_time_ms", 30_000),
]

# https://cloud.google.com/pubsub/quotas: bytes of an attribute's name, of its value and of an ordering key, and how many
# attributes a message may have.
MAX_NAME, MAX_VALUE, MAX_KEY, MAX_ATTRIBUTES = 256, 1_024, 1_024, 100

Wire = Any  # a google.pubsub.v1.PubsubMessage; protobuf ships no types

Outgoing = tuple[bytes, Mapping[str, str]]  # the data of a message and its attributes
Lane = tuple[str, str]  # a topic and an ordering key; the key may be empty
Group = Sequence[Pending[Sequence[Wire], None]]


class Publisher:
    """Can be made on any thread, which may take half a second; used from one event loop at a time. `timeout` in
    seconds."""

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

    async def publish(self, topic: str, messages: Iterable[Outgoing], key: str = "") -> None:
        """Returns when Pub/Sub has accepted all messages; raises PublishFailed. Messages with the same key are sent in
        the order of the calls, and a failure does not block later ones."""
        self._connect()
        try:
            wires = [self._message(data=data, ordering_key=key, attributes=more) for data, more in messages]
        except (TypeError, ValueError) as error:
            raise PublishFailed("The results cannot be a message of Pub/Sub.") from error
        await (self._ordered if key else self._unordered).submit((topic, key), wires)

    def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        self._loop = loop
        self._free = asyncio.Semaphore(AT_ONCE)
        self._call = self._make_call()
        self._unordered = Coalescer(self._send_group, measure, LIMITS)
        self._ordered = Coalescer(self._send_group, measure, LIMITS, at_once=1)

    def _make_call(self) -> Any:
        """Returns a function that sends a request until `end`, a time of the loop, with the retries of the library's
        publisher: https://github.com/googleapis/googleapis, pubsub_grpc_service_config.json."""
        import grpc
        from google.api_core.retry import AsyncRetry

        if self._emulator:
            channel = grpc.aio.insecure_channel(self._emulator)
        else:
            # The library's transport would put a task of its own around each request, to log it.
            target = f"{self._transport.DEFAULT_HOST}:443"
            channel = self._transport.create_channel(target, self._credentials, options=CHANNEL)
        retryable = {grpc.StatusCode[name] for name in RETRYABLE}
        call = channel.unary_unary(
            METHOD, request_serializer=self._request.SerializeToString, response_deserializer=self._answer.FromString
        )

        def is_retryable(error: BaseException) -> bool:
            return isinstance(error, grpc.aio.AioRpcError) and error.code() in retryable

        async def send(request: Any, metadata: Any, end: float) -> Any:
            return await call(request, timeout=end - asyncio.get_running_loop().time(), metadata=metadata)

        return AsyncRetry(is_retryable, initial=INITIAL_BACKOFF, timeout=self.timeout)(send)

    async def _send_group(self, lane: Lane, group: Group) -> None:
        error = await self._try_group(lane[0], group)
        if is_refused(error) and len(group) > 1:
            # Bisection isolates the message at fault. The halves go one after the other, to keep the order.
            middle = len(group) // 2
            await self._send_group(lane, group[:middle])
            await self._send_group(lane, group[middle:])
        else:
            for pending in group:
                pending.settle(error)

    async def _try_group(self, topic: str, group: Group) -> PublishFailed | None:
        """In one request, unless a single caller has more than that takes."""
        messages = list(chain.from_iterable(pending.item for pending in group))
        fits = messages and all(map(le, measure(messages), LIMITS))  # to measure each takes many times as long
        try:
            for request in [messages] if fits else chunks(messages, lambda message: measure([message]), LIMITS):
                await self._send(topic, request, group)
        except PublishFailed as error:
            return error
        return None

    async def _send(self, topic: str, messages: Sequence[Wire], group: Group) -> None:
        """`timeout` begins when the request may be sent. It is not sent if the whole group was abandoned meanwhile."""
        metadata = self._metadata((("topic", topic),))
        try:
            async with self._free:
                if all(pending.abandoned for pending in group):
                    return
                end = asyncio.get_running_loop().time() + self.timeout
                async with asyncio.timeout_at(end):
                    await self._call(self._request(topic=topic, messages=messages), (metadata,), end)
        except Exception as error:
            raise PublishFailed(f"Pub/Sub did not accept the messages{reason(error)}.") from error


def measure(messages: Sequence[Wire]) -> tuple[int, int]:
    return len(messages), sum(message.ByteSize() + FRAME for message in messages)


def is_refused(error: PublishFailed | None) -> bool:
    return error is not None and status_name(error.__cause__) == "INVALID_ARGUMENT"


def reason(error: BaseException) -> str:
    status = status_name(error)
    hint = "; the topic must be there, and this service account may publish to it" if status in TOPIC_AT_FAULT else ""
    return f": {status}{hint}" if status else " in time"


def status_name(error: BaseException | None) -> str | None:
    code = getattr(error, "code", None)
    return str(code().name) if callable(code) else None


def topic_path(topic: str, project: str, setting: str) -> str:
    return resource_path("topics", topic, project, setting, "which topic to publish to")


def resource_path(kind: str, name: str, project: str, setting: str, purpose: str) -> str:
    """Raises BadSetting."""
    if name.startswith("projects/"):
        return name
    if not name:
        raise BadSetting(f"{setting} is not set; it says {purpose}.")
    if not project:
        raise BadSetting(f"{setting} names no project and GOOGLE_CLOUD_PROJECT is not set.")
    return f"projects/{project}/{kind}/{name}"


def shorten_value(value: str) -> str:
    if value.isascii() and len(value) <= MAX_VALUE:
        return value
    return value.encode()[:MAX_VALUE].decode(errors="ignore")
