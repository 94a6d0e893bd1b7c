"""The pull worker: it does with the messages of SUBSCRIPTION what `predict_event` does with pushed ones.

A message is acked when Pub/Sub has its predictions or its dead letter, and nacked after any other failure. The
subscription's backoff and dead letter policy bound the retries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from modelserve.core.backoff import Backoff
from modelserve.core.coalescer import Coalescer, Pending
from modelserve.core.errors import BadSetting, DeadlineExceeded, ModelNotReady
from modelserve.core.settings import Settings
from modelserve.events.envelopes import Message
from modelserve.events.messages import MessageScorer, Outcome
from modelserve.events.outbox import Outbox
from modelserve.events.publisher import resource_path
from modelserve.http.deadline import ModelLease
from modelserve.models.active import ActiveModel

if TYPE_CHECKING:
    from modelserve.events.app import OnPrediction
    from modelserve.events.subscriber import Pulled, Stream  # imports google-cloud-pubsub
    from modelserve.models.version import Loaded

logger = logging.getLogger(__name__)

# Groups at a time: while the predictions of some are published, others are scored.
MAX_GROUPS: Final = 4
# Of one group: one model call scores it at little more than the cost of one message, and messages of many records are
# published well within the time that one event may take.
MAX_MESSAGES, MAX_BYTES = LIMITS = 100, 256 << 10
# Messages of a group that may exceed the deadline alone, after the group has exceeded it. If one record is slow, its message
# is at fault; if several are, the model is, and the remaining messages would wait for them.
MAX_SLOW: Final = 3

INITIAL_BACKOFF, MAX_BACKOFF = 1.0, 60.0  # seconds between attempts to pull


def subscription_path(settings: Settings) -> str:
    if settings.dry_run:
        raise BadSetting("DRY_RUN is for predict_event, which answers: a worker would ack what it never published.")
    project = settings.google_cloud_project
    return resource_path("subscriptions", settings.subscription, project, "SUBSCRIPTION", "what the worker pulls from")


class Worker:
    """`on_prediction` is called after the results of a message are published."""

    def __init__(
        self,
        settings: Settings,
        subscription: str,
        active: ActiveModel,
        scorer: MessageScorer,
        outbox: Outbox,
        on_prediction: OnPrediction | None = None,
    ) -> None:
        self.settings = settings
        self.subscription = subscription
        self.active = active
        self.scorer = scorer
        self.outbox = outbox
        self.on_prediction = on_prediction
        self.stream: Stream | None = None
        self._groups = Coalescer[None, "Pulled", None](
            self._work_on, lambda pulled: (1, pulled.size), LIMITS, at_once=MAX_GROUPS
        )
        self._stopping = False

    @property
    def is_pulling(self) -> bool:
        return self.stream is not None and self.stream.is_open

    async def run(self) -> None:
        """Until `stop`. A subscription that cannot be pulled is retried: it may be created, or access granted, later."""
        from modelserve.events.subscriber import Stream, make_client

        backoff = Backoff(INITIAL_BACKOFF, MAX_BACKOFF)
        while not self._stopping:
            if not await self.is_active():
                continue
            client = await make_client()
            if self._stopping:
                return
            began = asyncio.get_running_loop().time()
            self.stream = Stream(client, self.settings, self.subscription, self.receive)
            await self.stream.ended.wait()
            self._groups.clear()  # the client has nacked it
            if self._stopping:
                return
            if asyncio.get_running_loop().time() - began > MAX_BACKOFF:
                backoff.reset()
            logger.error("the subscription cannot be pulled", exc_info=self.stream.error)
            await asyncio.sleep(backoff.next_delay())

    async def is_active(self) -> bool:
        """Nothing is leased before it can be scored, since the wait could use up a delivery attempt."""
        try:
            await self.active.get()
        except ModelNotReady:
            await asyncio.sleep(INITIAL_BACKOFF)
            return False
        return not self._stopping

    async def stop(self) -> None:
        self._stopping = True
        if self.stream is not None:
            await self.stream.close()
        self._groups.cancel()

    def receive(self, pulled: list[Pulled]) -> None:
        """A message that waits is leased; its deadline has not begun. The client may hand over more while it stops."""
        for one in pulled:
            if self._stopping:
                one.nack()
                self.finish(one)
            else:
                self._groups.submit(None, one)

    async def _work_on(self, _: None, group: Sequence[Pending[Pulled, None]]) -> None:
        await self.work([pending.item for pending in group])

    async def work(self, pulled: Sequence[Pulled]) -> bool:
        """Whether the messages were scored within the deadline of a request. Publishing has deadlines of its own, and
        the client extends the leases meanwhile."""
        from modelserve.events.subscriber import to_message

        messages = [to_message(one) for one in pulled]
        outcomes: Sequence[Outcome]
        loaded: Loaded | None = None
        try:
            async with ModelLease(
                self.active, self.settings.predict_timeout_seconds, asyncio.get_running_loop()
            ) as loaded:
                outcomes = await self.scorer.score(loaded, messages)
        except DeadlineExceeded as error:
            if len(pulled) > 1:
                await self.work_one_by_one(pulled, messages, error)
                return False
            outcomes = [error]
        except Exception as error:
            outcomes = [error] * len(messages)
        await asyncio.gather(*map(self.settle, pulled, messages, outcomes, [loaded] * len(messages)))
        return not isinstance(outcomes[0], DeadlineExceeded)

    async def work_one_by_one(
        self, pulled: Sequence[Pulled], messages: Sequence[Message], error: DeadlineExceeded
    ) -> None:
        slow = 0
        for one, message in zip(pulled, messages, strict=True):
            if slow == MAX_SLOW:
                self.nack(one, message, error)
            elif not await self.work([one]):
                slow += 1

    async def settle(self, pulled: Pulled, message: Message, outcome: Outcome, loaded: Loaded | None) -> None:
        try:
            if isinstance(outcome, Exception):
                raise outcome
            await self.outbox.deliver(message, outcome)
        except Exception as error:
            self.nack(pulled, message, error)
        else:
            self.ack(pulled, message)
            if loaded is not None and self.on_prediction is not None:
                self.on_prediction(loaded, message, outcome.results)

    def ack(self, pulled: Pulled, message: Message) -> None:
        """With exactly-once delivery Pub/Sub answers whether it accepts the ack; otherwise the future is done at once."""
        accepted = pulled.ack_with_response()
        if not accepted.done():
            accepted.add_done_callback(lambda done: self.report_refused_ack(message, done.exception()))
        self.finish(pulled)

    def report_refused_ack(self, message: Message, error: BaseException | None) -> None:
        if error is not None:
            self.outbox.metrics.count("events", outcome="ack_refused")
            more = {"fields": {"message_id": message.message_id}}
            logger.warning("an ack was refused: the message comes again", exc_info=error, extra=more)

    def nack(self, pulled: Pulled, message: Message, error: Exception) -> None:
        self.outbox.report_retry(message, error)
        pulled.nack()
        self.finish(pulled)

    def finish(self, pulled: Pulled) -> None:
        if self.stream is not None:
            self.stream.inbox.finish(pulled)
