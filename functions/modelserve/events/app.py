"""The event function: it acks a pushed message once Pub/Sub has accepted a prediction event for each of its records.

A permanent failure goes to the dead letter topic and is acked. Any other failure asks for redelivery.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.coalescer import Coalescer, Pending
from modelserve.core.errors import MethodNotAllowed
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events import envelopes
from modelserve.events.dead_letters import describe_error
from modelserve.events.envelopes import Message
from modelserve.events.messages import MessageScorer
from modelserve.events.outbox import Outbox, ScoredMessage
from modelserve.events.results import Result
from modelserve.http.bodies import INLINE_BYTES, Headers, read_body
from modelserve.http.deadline import Deadline
from modelserve.http.endpoint import Endpoint, metrics_reply, reply, sent_path
from modelserve.models.active import ActiveModel
from modelserve.models.version import Loaded
from modelserve.payloads.decode import JSON
from modelserve.payloads.json import strict as strict_json
from modelserve.payloads.predictions import encode

# An envelope has its payload as base64 and a few hundred bytes besides. Pub/Sub delivers up to 10 MB of payload, all of which
# must be read, since only what was read can become a dead letter.
ENVELOPE_RATIO: Final = 1.4
MAX_ENVELOPE: Final = 14 << 20  # bytes
# Messages and bytes of a group: what is decoded on the event loop, so that no message waits for a thread.
LIMITS: Final = 100, INLINE_BYTES

OnPrediction = Callable[[Loaded, Message, Sequence[Result]], None]


class Events(Endpoint):
    """`on_prediction` is called after the results of a message are published."""

    def __init__(
        self,
        settings: Settings,
        active: ActiveModel,
        metrics: Metrics,
        outbox: Outbox,
        on_prediction: OnPrediction | None = None,
    ) -> None:
        super().__init__(settings, active, metrics)
        self.scorer = MessageScorer(settings, metrics)
        self.outbox = outbox
        self.on_prediction = on_prediction
        self.groups = Coalescer[Loaded, Message, ScoredMessage](
            self._score_group, lambda message: (1, len(message.data)), LIMITS
        )

    async def answer(self, request: Request, headers: Headers) -> Response:
        if request.method in ("GET", "HEAD"):
            return await self.get(request)
        if request.method != "POST":
            raise MethodNotAllowed(["POST"])
        limit = max(int(self.settings.max_request_bytes * ENVELOPE_RATIO), MAX_ENVELOPE)
        async with Deadline(self.settings.predict_timeout_seconds):
            body = await read_body(request, headers, limit)
        return await self.handle(envelopes.parse(request.headers, body, self.settings.max_rows))

    async def get(self, request: Request) -> Response:
        path = sent_path(request)
        if path == "/health/live":
            return Response(encode({"status": "ok"}), media_type=JSON)
        if path == "/health/ready":
            if not self.settings.dry_run:
                await self.outbox.ready()
            return self.health()
        if path == "/metrics" and self.settings.metrics:
            return metrics_reply(self.metrics)
        raise MethodNotAllowed(["POST"])

    async def handle(self, messages: Sequence[Message]) -> Response:
        """A response acks, an error asks for redelivery. Scoring and publishing share a deadline, as the ack deadline
        is unknown. Of several messages each that can be delivered is, before the error of another asks for all again."""
        seconds = self.settings.predict_timeout_seconds + self.settings.publish_timeout_seconds
        try:
            async with self.lease(seconds) as loaded:
                scored = await self.handle_each(loaded, messages)
        except Exception as error:
            for message in messages:
                self.outbox.report_retry(message, error)
            raise
        if self.settings.dry_run:
            return dry_run_response(scored, loaded)
        published, dead = sum(len(one.results) for one in scored), sum(len(one.rejected) for one in scored)
        return reply({"published": published, "dead_lettered": dead}, loaded)

    async def handle_each(self, loaded: Loaded, messages: Sequence[Message]) -> list[ScoredMessage]:
        if len(messages) == 1:  # a task would cost more than the envelope
            return [await self.handle_one(loaded, messages[0])]
        outcomes = await asyncio.gather(*(self.handle_one(loaded, one) for one in messages), return_exceptions=True)
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if errors:
            raise errors[0]
        return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]

    async def handle_one(self, loaded: Loaded, message: Message) -> ScoredMessage:
        scored = await self.score(loaded, message)
        if not self.settings.dry_run:
            await self.outbox.deliver(message, scored)
            if self.on_prediction is not None:
                self.loop.call_soon(self.on_prediction, loaded, message, scored.results)
        return scored

    async def score(self, loaded: Loaded, message: Message) -> ScoredMessage:
        return await self.groups.submit(loaded, message)

    async def _score_group(self, loaded: Loaded, group: Sequence[Pending[Message, ScoredMessage]]) -> None:
        async with Deadline(self.settings.predict_timeout_seconds):
            outcomes = await self.scorer.score(loaded, [pending.item for pending in group])
        for pending, outcome in zip(group, outcomes, strict=True):
            pending.settle(outcome)


def dry_run_response(messages: Sequence[ScoredMessage], loaded: Loaded) -> Response:
    predictions = [strict_json.decode(result.body, 100) for scored in messages for result in scored.results]
    dead = [
        {"error_code": one.error.code, "error_message": describe_error(one.error), "place": one.place}
        for scored in messages
        for one in scored.rejected
    ]
    return reply({"predictions": predictions, "dead_letters": dead}, loaded)
