"""The servers under test, the unmodified clients that talk to them, and fresh names."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
from google.cloud import pubsub_v1
from google.pubsub_v1 import SchemaServiceClient
from google.pubsub_v1.services.schema_service.transports import SchemaServiceGrpcTransport

from http_server import WAIT_SECONDS
from modelserve_control.local import emulators
from pubsub_host import serve_in_thread

PROJECT = "projects/contract"


@dataclass(frozen=True)
class Names:
    topic: str
    subscription: str
    dead: str
    dead_subscription: str


def new_names() -> Names:
    tag = uuid.uuid4().hex
    return Names(
        f"{PROJECT}/topics/t-{tag}", f"{PROJECT}/subscriptions/s-{tag}",
        f"{PROJECT}/topics/d-{tag}", f"{PROJECT}/subscriptions/d-{tag}",
    )  # fmt: skip


class Backend:
    """`name` is `ours` or `google`. The clients are made as any program makes them: the environment names the host."""

    def __init__(self, name: str, host: str) -> None:
        self.name = name
        self.host = host

    @cached_property
    def publisher(self) -> Any:
        with patch.dict(os.environ, PUBSUB_EMULATOR_HOST=self.host):
            return pubsub_v1.PublisherClient(
                publisher_options=pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
            )

    @cached_property
    def subscriber(self) -> Any:
        with patch.dict(os.environ, PUBSUB_EMULATOR_HOST=self.host):
            return pubsub_v1.SubscriberClient()

    @cached_property
    def schemas(self) -> Any:
        """The only client that does not read the environment."""
        channel = grpc.insecure_channel(self.host)
        return SchemaServiceClient(transport=SchemaServiceGrpcTransport(channel=channel))

    def make(self, names: Names, **subscription: Any) -> None:
        """The topic and its subscription, and with a dead letter policy those of the dead letters. What is not acked comes
        again only when a test says so: however busy this machine is, none takes ten minutes."""
        if "dead_letter_policy" in subscription:
            self.publisher.create_topic(name=names.dead)
            self.subscriber.create_subscription(name=names.dead_subscription, topic=names.dead)
        self.publisher.create_topic(name=names.topic)
        request = {"name": names.subscription, "topic": names.topic, "ack_deadline_seconds": 600, **subscription}
        self.subscriber.create_subscription(request=request)

    def publish(self, names: Names, *texts: str, **fields: Any) -> list[str]:
        """The message ids, in order."""
        futures = [self.publisher.publish(names.topic, text.encode(), **fields) for text in texts]
        return [future.result(WAIT_SECONDS) for future in futures]

    def pull(self, subscription: str, count: int, most: int = 10) -> list[Any]:
        """Pull until `count` messages have come: one pull may bring fewer, or none."""
        received: list[Any] = []
        end = time.monotonic() + WAIT_SECONDS
        while len(received) < count:
            assert time.monotonic() < end, f"only {len(received)} of {count} messages came within {WAIT_SECONDS:g} s"
            received += self.pull_once(subscription, most)
        return received

    def pull_once(self, subscription: str, most: int = 10) -> list[Any]:
        return list(self.subscriber.pull(subscription=subscription, max_messages=most, timeout=30).received_messages)

    def pull_now(self, subscription: str) -> list[Any]:
        request = {"subscription": subscription, "max_messages": 10, "return_immediately": True}
        with warnings.catch_warnings():
            # The client advises against it, because it costs the service more; the server has to obey it all the same.
            warnings.filterwarnings("ignore", "The return_immediately flag", DeprecationWarning)
            return self._received(request)

    def _received(self, request: dict[str, Any]) -> list[Any]:
        return list(self.subscriber.pull(request=request, timeout=30).received_messages)

    def ack(self, subscription: str, received: list[Any]) -> None:
        self.subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])

    def modify(self, subscription: str, received: list[Any], seconds: int) -> None:
        ids = [one.ack_id for one in received]
        self.subscriber.modify_ack_deadline(subscription=subscription, ack_ids=ids, ack_deadline_seconds=seconds)

    def close(self) -> None:
        self.publisher.stop()
        self.publisher.transport.close()
        self.subscriber.close()
        self.schemas.transport.close()


@contextmanager
def running(name: str) -> Iterator[Backend]:
    """Raise `EmulatorMissing` when Google's is wanted and not installed."""
    with tempfile.TemporaryDirectory() as directory:
        hosts = serve_in_thread() if name == "ours" else emulators.official_pubsub(Path(directory))
        with hosts as host:
            backend = Backend(name, host)
            try:
                yield backend
            finally:
                backend.close()


def text(received: Any) -> str:
    data: bytes = received.message.data
    return data.decode()
