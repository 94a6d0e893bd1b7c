"""Messages from a streaming pull to an event loop. `google-cloud-pubsub` holds the stream, the leases and the acks.

The client calls back on a thread of a pool for each message. Here its scheduler hands over what has arrived in one go,
and when the stream is closed waits until the loop has finished what it was given; the rest goes back to Pub/Sub.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.scheduler import Scheduler

from modelserve.core.settings import Settings
from modelserve.events.envelopes import Message

Pulled = Any  # google.cloud.pubsub_v1.subscriber.message.Message; the library ships no types
Take = Callable[[list[Pulled]], None]


class Inbox(Scheduler):  # type: ignore[misc] # the library ships no types
    """`take` is called on the loop, and `finished` after it for every message. `patience` in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Take, patience: float) -> None:
        self._loop = loop
        self._take = take
        self._patience = patience
        self._requests: queue.Queue[Any] = queue.Queue()
        self._changed = threading.Condition()
        self._arrived: list[Pulled] = []
        self._open: dict[str, Pulled] = {}  # by ack id

    @property
    def queue(self) -> queue.Queue[Any]:
        """Where the client takes acks and nacks from."""
        return self._requests

    def schedule(self, callback: Callable[..., Any], *args: Pulled, **_: Any) -> None:
        """On the thread of the stream."""
        (message,) = args
        with self._changed:
            self._open[message.ack_id] = message
            self._arrived.append(message)
            if len(self._arrived) == 1:
                self._loop.call_soon_threadsafe(self._hand_over)

    def shutdown(self, await_msg_callbacks: bool = False) -> list[Pulled]:
        """What was not finished in time, which the client nacks. On a thread of the client's, once the stream is closed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, self._patience)
            return list(self._open.values())

    def finished(self, message: Pulled) -> None:
        with self._changed:
            self._open.pop(message.ack_id, None)
            if not self._open:
                self._changed.notify_all()

    def _hand_over(self) -> None:
        with self._changed:
            arrived, self._arrived = self._arrived, []
        self._take(arrived)


class Stream:
    """One streaming pull. `ended` is set when it is over, and `error` says why unless it was closed."""

    def __init__(self, client: Any, settings: Settings, subscription: str, take: Take) -> None:
        self.ended = asyncio.Event()
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._client = client
        self.inbox = Inbox(self._loop, take, settings.predict_timeout_seconds)
        limits = pubsub_v1.types.FlowControl(
            max_messages=settings.max_leased_messages, max_bytes=settings.max_leased_bytes
        )
        self._future = self._client.subscribe(
            subscription, callback=self.inbox.finished, flow_control=limits, scheduler=self.inbox
        )
        self._future.add_done_callback(self._done)

    @property
    def open(self) -> bool:
        return not self._future.done()

    async def close(self) -> None:
        """Ask for no more, wait for what is being worked on, and send the last acks and nacks."""
        self._future.cancel()
        await self.ended.wait()

    def _done(self, future: Any) -> None:
        """On a thread of the client's."""
        self.error = future.exception()
        self._client.close()
        self._loop.call_soon_threadsafe(self.ended.set)


async def connected() -> Any:
    """A client of its own for each stream, made on another thread: looking for credentials can take a second."""
    return await asyncio.to_thread(pubsub_v1.SubscriberClient)


def message_of(pulled: Pulled) -> Message:
    """What a push of the same message would be."""
    return Message(
        data=pulled.data,
        message_id=pulled.message_id,
        attributes=dict(pulled.attributes),
        published=pulled.publish_time,
        ordering_key=pulled.ordering_key,
        delivery_attempt=pulled.delivery_attempt,
    )
