"""Push delivery: each message is sent to the endpoint by POST, and the status is its ack or nack."""

from __future__ import annotations

import asyncio
import logging
import time

from modelserve_control.local.pubsub.push import envelope
from modelserve_control.local.pubsub.push.poster import Poster, PushFailed
from modelserve_control.local.pubsub.push.tokens import Tokens
from modelserve_control.local.pubsub.topics.backlog import Flow
from modelserve_control.local.pubsub.topics.messages import Delivery
from modelserve_control.local.pubsub.topics.outlet import Outlet
from modelserve_control.local.pubsub.topics.policies import PushConfig

log = logging.getLogger(__name__)

ACKS = frozenset({102, 200, 201, 202, 204})  # https://cloud.google.com/pubsub/docs/push#receive_push

# Google's service adapts to the endpoint, up to thousands. One function instance takes this many by default.
MAX_CONCURRENT = 80


class Pusher:
    """Runs until `close`. A push that takes longer than the ack deadline is cancelled and counts as a failure."""

    def __init__(self, outlet: Outlet, push: PushConfig, tokens: Tokens) -> None:
        self._outlet = outlet
        self._push = push
        self._tokens = tokens
        self._poster = Poster(push.endpoint)
        self._flow = Flow(MAX_CONCURRENT)
        self._pushes: set[asyncio.Task[None]] = set()
        self._reported = 0
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        for task in (self._task, *self._pushes):
            task.cancel()
        self._poster.close()

    async def _run(self) -> None:
        while deliveries := await self._outlet.take(MAX_CONCURRENT, self._flow):
            for delivery in deliveries:
                task = asyncio.create_task(self._deliver(delivery))
                self._pushes.add(task)
                task.add_done_callback(self._pushes.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        backlog = self._outlet.backlog
        try:
            async with asyncio.timeout(backlog.config.ack_deadline):
                status = await self._poster.post(*self._request(delivery))
        except (PushFailed, TimeoutError) as error:
            self._report(delivery, str(error) or "no answer within the ack deadline")
            backlog.modify([delivery.ack_id], 0)
            return
        if status in ACKS:
            backlog.ack([delivery.ack_id])
        else:
            self._report(delivery, f"it answered {status}")
            backlog.modify([delivery.ack_id], 0)

    def _request(self, delivery: Delivery) -> tuple[envelope.Headers, bytes]:
        headers, body = envelope.request(self._outlet.backlog.config, delivery)
        if self._push.service_account:
            audience = self._push.audience or self._push.endpoint
            token = self._tokens.bearer(self._push.service_account, audience, time.time())
            headers = [*headers, ("Authorization", f"Bearer {token}")]
        return headers, body

    def _report(self, delivery: Delivery, reason: str) -> None:
        self._reported += 1
        # A broken endpoint fails thousands of times: the first five are logged, then every power of two.
        if self._reported <= 5 or self._reported & (self._reported - 1) == 0:
            log.warning(
                "push of message %s to %s failed (%d so far): %s",
                delivery.message.message_id, self._push.endpoint, self._reported, reason,
            )  # fmt: skip
