"""The pull worker: what `predict_event` does with what is pushed, done with what is pulled from SUBSCRIPTION.

A message is acked when Pub/Sub has its predictions, or its dead letter. Whatever may pass is nacked, and the
subscription's own backoff and dead letter policy bound how often. Messages that arrive together are scored together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from modelserve.core.coalescer import Coalescer, Pending
from modelserve.core.errors import BadSetting, DeadlineExceeded, ModelNotReady
from modelserve.core.settings import Settings
from modelserve.events.envelopes import Message
from modelserve.events.messages import Messages, Scored
from modelserve.http.deadline import Turn
from modelserve.models.active import ActiveModel

if TYPE_CHECKING:
    from modelserve.events.subscriber import Pulled, Stream  # imports google-cloud-pubsub

logger = logging.getLogger(__name__)

# Groups at a time: while the predictions of some are published, others are scored.
MAX_GROUPS: Final = 4
# Of one group: one model call scores it at little more than the cost of one message, and messages of many records are
# published well within the time that one event may take.
MAX_MESSAGES, MAX_BYTES = LIMITS = 100, 256 << 10
# Messages of a group that may take their own time in vain, when the group took longer than its time: one slow record is
# a fault of its message, but of several the model is at fault, and the next would wait for them as well.
MOST_SLOW: Final = 3

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0  # seconds between attempts to pull


def subscription_path(settings: Settings) -> str:
    """Raises BadSetting."""
    name = settings.subscription
    if settings.dry_run:
        raise BadSetting("DRY_RUN is for predict_event, which answers: a worker would ack what it never published.")
    if not name:
        raise BadSetting("SUBSCRIPTION is not set; it says what the worker pulls from.")
    if name.startswith("projects/"):
        return name
    if not settings.google_cloud_project:
        raise BadSetting("SUBSCRIPTION names no project and GOOGLE_CLOUD_PROJECT is not set.")
    return f"projects/{settings.google_cloud_project}/subscriptions/{name}"


class Worker:
    def __init__(self, settings: Settings, subscription: str, active: ActiveModel, messages: Messages) -> None:
        self.settings = settings
        self.subscription = subscription
        self.active = active
        self.messages = messages
        self.stream: Stream | None = None
        self._groups = Coalescer[None, "Pulled", None](self._work_on, measure, LIMITS, at_once=MAX_GROUPS)
        self._stopping = False

    @property
    def pulls(self) -> bool:
        return self.stream is not None and self.stream.open

    async def run(self) -> None:
        """Until `stop`. A subscription that cannot be pulled is tried again: it may be made, or granted, later."""
        from modelserve.events.subscriber import Stream, connected

        backoff = FIRST_BACKOFF
        while not self._stopping:
            if not await self.is_active():
                continue
            client = await connected()
            if self._stopping:
                return
            began = asyncio.get_running_loop().time()
            self.stream = Stream(client, self.settings, self.subscription, self.take)
            await self.stream.ended.wait()
            self._groups.clear()  # the client has given it back
            if self._stopping:
                return
            if asyncio.get_running_loop().time() - began > LONGEST_BACKOFF:
                backoff = FIRST_BACKOFF
            logger.error("the subscription cannot be pulled", exc_info=self.stream.error)
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF)

    async def is_active(self) -> bool:
        """Nothing is leased before it can be scored: waiting would count as a delivery attempt."""
        try:
            await self.active.get()
        except ModelNotReady:
            await asyncio.sleep(FIRST_BACKOFF)
            return False
        return not self._stopping

    async def stop(self) -> None:
        self._stopping = True
        if self.stream is not None:
            await self.stream.close()
        self._groups.cancel()

    # --- on the loop ---

    def take(self, pulled: list[Pulled]) -> None:
        """What waits here is leased, and its time has not begun."""
        for one in pulled:
            self._groups.submit(None, one)

    async def _work_on(self, _: None, group: Sequence[Pending[Pulled, None]]) -> None:
        await self.work([pending.item for pending in group])

    async def work(self, pulled: Sequence[Pulled]) -> bool:
        """Scored within the time of one request. Publishing takes as long as it goes on: each of its requests has a
        time of its own, and the client holds the leases meanwhile. Whether they were scored in time."""
        from modelserve.events.subscriber import message_of

        messages = [message_of(one) for one in pulled]
        scored: Sequence[Scored | Exception]
        try:
            async with Turn(self.active, self.settings.predict_timeout_seconds, asyncio.get_running_loop()) as loaded:
                scored = await self.messages.score(loaded, messages)
        except DeadlineExceeded as error:
            if len(pulled) > 1:
                await self.work_alone(pulled, messages, error)
                return False
            scored = [error]
        except Exception as error:
            scored = [error] * len(messages)
        await asyncio.gather(*map(self.settle, pulled, messages, scored))
        return not isinstance(scored[0], DeadlineExceeded)

    async def work_alone(self, pulled: Sequence[Pulled], messages: Sequence[Message], error: DeadlineExceeded) -> None:
        """One slow message took the time of all, so each gets its own, one after the other."""
        slow = 0
        for one, message in zip(pulled, messages, strict=True):
            if slow == MOST_SLOW:
                self.give_back(one, message, error)
            elif not await self.work([one]):
                slow += 1

    async def settle(self, pulled: Pulled, message: Message, scored: Scored | Exception) -> None:
        try:
            if isinstance(scored, Exception):
                raise scored
            await self.messages.deliver(message, scored)
        except Exception as error:
            self.give_back(pulled, message, error)
        else:
            self.ack(pulled, message)

    def ack(self, pulled: Pulled, message: Message) -> None:
        """With exactly-once delivery Pub/Sub says whether it took the ack; without, the answer is there at once."""
        answer = pulled.ack_with_response()
        if not answer.done():
            answer.add_done_callback(lambda answer: self.acked(message, answer.exception()))
        self.finished(pulled)

    def acked(self, message: Message, error: BaseException | None) -> None:
        """On a thread of the client's. A message whose ack was refused comes again, and its predictions are known by
        their `prediction_id`."""
        if error is not None:
            self.messages.metrics.count("events", outcome="ack_refused")
            more = {"fields": {"message_id": message.message_id}}
            logger.warning("an ack was refused: the message comes again", exc_info=error, extra=more)

    def give_back(self, pulled: Pulled, message: Message, error: Exception) -> None:
        self.messages.sent_back(message, error)
        pulled.nack()
        self.finished(pulled)

    def finished(self, pulled: Pulled) -> None:
        if self.stream is not None:
            self.stream.inbox.finished(pulled)


def measure(pulled: Pulled) -> tuple[int, int]:
    return 1, pulled.size
