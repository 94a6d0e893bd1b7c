"""Streaming pull: messages flow one way while acks, deadlines and heartbeats flow the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from google.pubsub_v1 import types

from modelserve_control.local.pubsub.api import wire
from modelserve_control.local.pubsub.api.wire import Proto
from modelserve_control.local.pubsub.topics.backlog import Flow
from modelserve_control.local.pubsub.topics.errors import BadInput, NotFound
from modelserve_control.local.pubsub.topics.messages import Delivery
from modelserve_control.local.pubsub.topics.outlet import Outlet

Requests = AsyncIterator[Proto]
Responses = AsyncIterator[Proto]

# In one answer, so that several subscribers of a subscription share a burst.
MAX_MESSAGES = 100

Response = types.StreamingPullResponse.pb()


def check_deadline(seconds: int) -> float:
    if not 0 <= seconds <= 600:
        raise BadInput(f"An ack deadline is from 0 to 600 seconds, not {seconds}.")
    return float(seconds)


async def streaming_pull(outlet: Callable[[str], Outlet], requests: Requests) -> Responses:
    """Ends when the client ends its side, and with NOT_FOUND when the subscription is deleted."""
    first = await anext(requests, None)
    if first is None:
        return
    stream = Stream(outlet(first.subscription), first)
    reader = asyncio.create_task(stream.read(requests))
    try:
        while deliveries := await stream.next(reader):
            yield stream.response(deliveries)
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


class Stream:
    def __init__(self, outlet: Outlet, first: Proto) -> None:
        self._outlet = outlet
        self._flow = Flow(first.max_outstanding_messages, first.max_outstanding_bytes)
        self._deadline = check_deadline(first.stream_ack_deadline_seconds)
        self._apply(first)

    async def read(self, requests: Requests) -> None:
        async for request in requests:
            if request.stream_ack_deadline_seconds:
                self._deadline = check_deadline(request.stream_ack_deadline_seconds)
            self._apply(request)

    async def next(self, reader: asyncio.Task[None]) -> list[Delivery]:
        """The next deliveries; none when the client has ended the stream. Raises the errors of `reader`."""
        take = asyncio.create_task(self._outlet.take(MAX_MESSAGES, self._flow, self._deadline or None))
        try:
            await asyncio.wait((take, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not take.done():
                take.cancel()
        if reader.done():
            reader.result()
            return []
        deliveries = await take
        if not deliveries:
            raise NotFound("The subscription was deleted.")
        return deliveries

    def response(self, deliveries: list[Delivery]) -> Proto:
        response = Response(received_messages=[wire.write_delivery(delivery) for delivery in deliveries])
        config = self._outlet.backlog.config
        response.subscription_properties.message_ordering_enabled = config.ordered
        response.subscription_properties.exactly_once_delivery_enabled = config.exactly_once
        return response

    def _apply(self, request: Proto) -> None:
        backlog = self._outlet.backlog
        if len(request.modify_deadline_ack_ids) != len(request.modify_deadline_seconds):
            raise BadInput("modify_deadline_ack_ids and modify_deadline_seconds must have the same length.")
        if request.ack_ids:
            backlog.ack(request.ack_ids)
        for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
            backlog.modify([ack_id], check_deadline(seconds))
