"""What a test sees of Pub/Sub: the two output topics, emptied as they are read, and push bodies."""

from __future__ import annotations

import base64
import json
import time
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from http_server import WAIT_SECONDS
from modelserve_control.local.resources import Names

RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}
RIDE_EVENT = {"ride": RIDE, "ride_id": 156}


@dataclass(frozen=True)
class Seen:
    """One message on an output topic."""

    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str

    @property
    def event(self) -> Any:
        return json.loads(self.data)


@dataclass(frozen=True)
class Topics:
    host: str
    names: Names
    subscriber: Any
    publisher: Any

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PUBSUB_EMULATOR_HOST": self.host,
            "PREDICTIONS_TOPIC": self.names.predictions,
            "DEAD_LETTER_TOPIC": self.names.dead_letter,
        }

    def predictions(self, count: int) -> list[Seen]:
        """Exactly `count` prediction events, and no more are there."""
        return self._take(self.names.predictions_pull, count)

    def dead_letters(self, count: int) -> list[Seen]:
        return self._take(self.names.dead_letter_pull, count)

    def log_rows(self, count: int) -> list[Seen]:
        """Rows of the prediction log."""
        return self._take(self.names.log_pull, count)

    def _take(self, subscription: str, count: int) -> list[Seen]:
        seen: list[Seen] = []
        end = time.monotonic() + WAIT_SECONDS
        while len(seen) < count:
            assert time.monotonic() < end, f"{len(seen)} of {count} messages came within {WAIT_SECONDS:g} s"
            seen += self._pull(subscription, wait=True)
        return seen + self._pull(subscription, wait=False)

    def _pull(self, subscription: str, wait: bool) -> list[Seen]:
        request = {"subscription": subscription, "max_messages": 1000, "return_immediately": not wait}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The return_immediately flag", DeprecationWarning)
            received = self.subscriber.pull(request=request, timeout=30).received_messages
        if received:
            self.subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
        return [Seen(one.message.data, dict(one.message.attributes), one.message.ordering_key) for one in received]


def encoded(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(data).decode()


def push_body(value: Any, message_id: str = "", **fields: Any) -> dict[str, Any]:
    """The body of a push request, as Pub/Sub documents it."""
    message_id = message_id or uuid.uuid4().hex
    message = {"data": encoded(value), "messageId": message_id, "publishTime": datetime.now(UTC).isoformat()} | fields
    return {"message": message, "subscription": "projects/p/subscriptions/s"}
