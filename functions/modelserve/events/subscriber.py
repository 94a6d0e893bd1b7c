"""Passes messages from a streaming pull to an event loop. google-cloud-pubsub manages the stream, leases and acks.

The client's own scheduler calls back on a pool thread for each message. This one passes all that have arrived at once.
When the stream is closed, it waits for open messages and nacks the rest.
"""

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
Receive = Callable[[list[Pulled]], None]


class Inbox(Scheduler):  # type: ignore[misc] # the library ships no types
    """Calls `receive` on the loop, which calls `finish` for every message. `timeout` in seconds bounds the wait at the
    end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive, timeout: float) -> None:
        self._loop = loop
        self._receive = receive
        self._timeout = timeout
        self._requests: queue.Queue[Any] = queue.Queue()
        self._changed = threading.Condition()
        self._arrived: list[Pulled] = []
        self._open: dict[str, Pulled] = {}  # by ack id

    @property
    def queue(self) -> queue.Queue[Any]:
        return self._requests

    def schedule(self, callback: Callable[..., Any], *args: Pulled, **_: Any) -> None:
        (message,) = args
        with self._changed:
            self._open[message.ack_id] = message
            self._arrived.append(message)
            if len(self._arrived) == 1:
                self._loop.call_soon_threadsafe(self._hand_over)

    def shutdown(self, await_msg_callbacks: bool = False) -> list[Pulled]:
        """Returns the messages that are not finished in time, which the client nacks. Called on a thread of the client."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, self._timeout)
            return list(self._open.values())

    def finish(self, message: Pulled) -> None:
        with self._changed:
            self._open.pop(message.ack_id, None)
            if not self._open:
                self._changed.notify_all()

    def _hand_over(self) -> None:
        with self._changed:
            arrived, self._arrived = self._arrived, []
        self._receive(arrived)


class Stream:
    """One streaming pull. `ended` is set at its end; `error` is its cause unless the stream was closed."""

    def __init__(self, client: Any, settings: Settings, subscription: str, receive: Receive) -> None:
        self.ended = asyncio.Event()
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._client = client
        self.inbox = Inbox(self._loop, receive, settings.predict_timeout_seconds)
        limits = pubsub_v1.types.FlowControl(
            max_messages=settings.max_leased_messages, max_bytes=settings.max_leased_bytes
        )
        self._future = self._client.subscribe(
            subscription, callback=self.inbox.finish, flow_control=limits, scheduler=self.inbox
        )
        self._future.add_done_callback(self._end)

    @property
    def is_open(self) -> bool:
        return not self._future.done()

    async def close(self) -> None:
        self._future.cancel()
        await self.ended.wait()

    def _end(self, future: Any) -> None:
        self.error = future.exception()
        self._client.close()
        self._loop.call_soon_threadsafe(self.ended.set)


async def make_client() -> Any:
    return await asyncio.to_thread(pubsub_v1.SubscriberClient)


def to_message(pulled: Pulled) -> Message:
    return Message(
        data=pulled.data,
        message_id=pulled.message_id,
        attributes=dict(pulled.attributes),
        published=pulled.publish_time,
    )
