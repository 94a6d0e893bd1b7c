"""The event function: a message in, one prediction event per record out, and an ack only when they are safe.

Permanent failures go to the dead letter topic and are acked; whatever may pass asks to be redelivered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.coalescer import Coalescer, Pending
from modelserve.core.errors import MethodNotAllowed
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events import envelopes
from modelserve.events.envelopes import Message
from modelserve.events.messages import Messages, Scored, explain
from modelserve.events.results import Result, Results
from modelserve.http.bodies import INLINE_BYTES, Headers, read_body
from modelserve.http.deadline import Budget
from modelserve.http.endpoint import Door, metrics_reply, reply, sent_path
from modelserve.models.active import ActiveModel
from modelserve.models.version import Loaded
from modelserve.payloads.decode import JSON
from modelserve.payloads.json import strict as strict_json
from modelserve.payloads.predictions import encode

# An envelope holds its payload as base64 beside a few hundred bytes of names. Pub/Sub's own limit is 10 MB of payload:
# what it delivers must be read, since only what was read can be kept.
ENVELOPE_SHARE: Final = 1.4
LONGEST_ENVELOPE: Final = 14 << 20  # bytes
# Messages and bytes of a group: what is decoded without another thread, which would keep the others waiting.
LIMITS: Final = 100, INLINE_BYTES


class Events(Door):
    """`results` gives the publisher; it is not asked for in a dry run."""

    def __init__(
        self, settings: Settings, active: ActiveModel, metrics: Metrics, results: Callable[[], Results]
    ) -> None:
        super().__init__(settings, active, metrics)
        self.messages = Messages(settings, metrics, results)
        self.groups = Coalescer[Loaded, Message, Scored](self._score_group, measure, LIMITS)
        self.delivered: Callable[[Loaded, Message, Sequence[Result]], None] | None = None
        """Told what was published of a message, when somebody wants to know."""

    async def answer(self, request: Request, headers: Headers) -> Response:
        if request.method in ("GET", "HEAD"):
            return await self.get(request)
        if request.method != "POST":
            raise MethodNotAllowed(["POST"])
        limit = max(int(self.settings.max_request_bytes * ENVELOPE_SHARE), LONGEST_ENVELOPE)
        async with Budget(self.settings.predict_timeout_seconds):
            body = await read_body(request, headers, limit)
        return await self.handle(envelopes.parse(request.headers, body))

    async def get(self, request: Request) -> Response:
        path = sent_path(request)
        if path == "/health/live":
            return Response(encode({"status": "ok"}), media_type=JSON)
        if path == "/health/ready":
            if not self.settings.dry_run:
                await self.messages.results()
            return self.health()
        if path == "/metrics" and self.settings.metrics:
            return metrics_reply(self.metrics)
        raise MethodNotAllowed(["POST"])

    async def handle(self, message: Message) -> Response:
        """2xx acks, anything else asks for redelivery. Raises what the caller turns into the one error shape.

        The ack deadline is not known here, so scoring and publishing have a bound of their own.
        """
        seconds = self.settings.predict_timeout_seconds + self.settings.publish_timeout_seconds
        try:
            async with self.turn(seconds) as loaded:
                scored = await self.score(loaded, message)
                if self.settings.dry_run:
                    return dry(scored, loaded)
                await self.messages.deliver(message, scored)
        except Exception as error:
            self.messages.sent_back(message, error)
            raise
        if self.delivered is not None:
            self.loop.call_soon(self.delivered, loaded, message, scored.results)
        answer = {"published": len(scored.results), "dead_lettered": len(scored.bad)}
        return reply(answer, loaded)

    async def score(self, loaded: Loaded, message: Message) -> Scored:
        """Together with the messages that arrive at the same time. Raises what asks for redelivery."""
        return await self.groups.submit(loaded, message)

    async def _score_group(self, loaded: Loaded, group: Sequence[Pending[Message, Scored]]) -> None:
        async with Budget(self.settings.predict_timeout_seconds):
            outcomes = await self.messages.score(loaded, [pending.item for pending in group])
        for pending, outcome in zip(group, outcomes, strict=True):
            pending.settle(outcome)


def measure(message: Message) -> tuple[int, int]:
    return 1, len(message.data)


def dry(scored: Scored, loaded: Loaded) -> Response:
    predictions = [strict_json.decode(result.body, 100) for result in scored.results]
    dead = [
        {"error_code": bad.error.code, "error_message": explain(bad.error), "place": bad.place} for bad in scored.bad
    ]
    return reply({"predictions": predictions, "dead_letters": dead}, loaded)
