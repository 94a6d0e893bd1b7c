"""The event function: a message in, one prediction event per record out, and an ack only when they are safe.

Permanent failures go to the dead letter topic and are acked; whatever may pass asks to be redelivered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from modelserve import envelopes, records, scoring
from modelserve.active import Active
from modelserve.bodies import JSON, Headers, off_loop, read_body, too_large
from modelserve.door import Budget, Door, reply
from modelserve.envelopes import Message
from modelserve.errors import BadInput, MethodNotAllowed, ServeError
from modelserve.loading import Loaded
from modelserve.metrics import Metrics
from modelserve.payloads import Limits, strict_json
from modelserve.payloads.predictions import encode
from modelserve.records import Bad, Records
from modelserve.results import Letter, Result, Results, make_letter, make_result
from modelserve.settings import Settings
from modelserve.signature import Batch

logger = logging.getLogger(__name__)

# An envelope holds its payload as base64 beside a few hundred bytes of names. Pub/Sub's own limit is 10 MB of payload:
# what it delivers must be read, since only what was read can be kept.
ENVELOPE_SHARE: Final = 1.4
LONGEST_ENVELOPE: Final = 14 << 20  # bytes


class TooOld(BadInput):
    code = "EVENT_TOO_OLD"


@dataclass(frozen=True, slots=True)
class Scored:
    """What one message came to."""

    results: list[Result]
    bad: list[Bad]


class Events(Door):
    """`results` gives the publisher; it is asked for once per message and not at all in a dry run."""

    def __init__(self, settings: Settings, active: Active, metrics: Metrics, results: Callable[[], Results]) -> None:
        super().__init__(settings, active, metrics)
        self.limits = Limits(settings.max_rows, settings.max_columns, settings.max_depth)
        self.results = results
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
        if request.url.path == "/health/live":
            return Response(encode({"status": "ok"}), media_type=JSON)
        if request.url.path == "/health/ready":
            if not self.settings.dry_run:
                await asyncio.to_thread(self.results)
            return self.health()
        raise MethodNotAllowed(["POST"])

    async def handle(self, message: Message) -> Response:
        """2xx acks, anything else asks for redelivery. Raises what the caller turns into the one error shape.

        The ack deadline is not known here, so scoring and publishing have a bound of their own.
        """
        seconds = self.settings.predict_timeout_seconds + self.settings.publish_timeout_seconds
        async with self.turn(seconds) as loaded:
            try:
                async with Budget(self.settings.predict_timeout_seconds):
                    scored = await self.score(loaded, message)
            except BadInput as error:
                scored = Scored([], [Bad(None, message.data, error)])
            except ServeError as error:
                self.metrics.count("events", outcome="retry")
                logger.warning("a message is sent back", exc_info=error, extra=fields(message, error))
                raise
            if self.settings.dry_run:
                return dry(scored, loaded)
            await self.deliver(loaded, message, scored)
        if self.delivered is not None:
            self.loop.call_soon(self.delivered, loaded, message, scored.results)
        answer = {"published": len(scored.results), "dead_lettered": len(scored.bad)}
        return reply(answer, loaded)

    async def score(self, loaded: Loaded, message: Message) -> Scored:
        try:
            found, batches = await off_loop(len(message.data), lambda: self.decode(loaded, message))
        except (ServeError, MemoryError):  # another instance may have the memory
            raise
        except Exception as error:
            # Whatever it is, the same bytes would raise it at every delivery.
            failed = ServeError("The server failed to decode the message; its log says how.")
            failed.__cause__ = error
            return Scored([], [Bad(None, message.data, failed)])
        predicted = await asyncio.gather(
            *(scoring.batch_results(loaded, batch, found.params, found.method) for batch in batches)
        )
        several = len(found.places) + len(found.bad) > 1
        results = [
            self.result(loaded, message, found, row, prediction, several)
            for row, prediction in enumerate(chain.from_iterable(predicted))
        ]
        self.metrics.count("rows", len(results))
        return Scored(results, found.bad)

    def decode(self, loaded: Loaded, message: Message) -> tuple[Records, list[Batch]]:
        settings = self.settings
        self.check_age(message)
        if len(message.data) > settings.max_request_bytes:
            raise too_large(settings.max_request_bytes)
        found = records.parse(
            message.data, loaded.signature, self.limits, settings.event_features_field, settings.event_id_field
        )
        return found, records.check(found, loaded.signature)

    def check_age(self, message: Message) -> None:
        if message.published is None:
            return
        age = (datetime.now(UTC) - message.published).total_seconds()
        if age > self.settings.event_max_age_seconds:
            raise TooOld(f"The message is older than {self.settings.event_max_age_seconds:g} s.")

    def result(
        self, loaded: Loaded, message: Message, found: Records, row: int, prediction: dict[str, Any], several: bool
    ) -> Result:
        place, own = found.places[row], found.ids[row]
        if own is None:
            own = f"{message.message_id}-{place}" if several else message.message_id
        if self.settings.event_id_field:
            prediction = {**prediction, self.settings.event_id_field: own}
        return make_result(loaded.name, loaded.version, prediction, str(own), message.message_id, place)

    async def deliver(self, loaded: Loaded, message: Message, scored: Scored) -> None:
        """Everything is accepted by Pub/Sub, or it raises and the message comes again.

        Results first: a second one has the id of the first, but a second dead letter is one more.
        """
        results = await asyncio.to_thread(self.results)
        await asyncio.gather(*(results.publish(loaded.name, result) for result in scored.results))
        if scored.bad:
            await self.dead_letter(results, message, scored.bad)
        self.metrics.count("events", outcome="published")

    async def dead_letter(self, results: Results, message: Message, bad: Sequence[Bad]) -> None:
        first = bad[0].error
        more = {"fields": fields(message, first)["fields"] | {"records": len(bad)}}
        logger.error("records go to the dead letter topic; this is why the first does", exc_info=first, extra=more)
        if not results.dead_letters:
            raise first  # nowhere to keep it: let the subscription's own policy end it
        await results.dead_letter([letter(message, one) for one in bad])
        self.metrics.count("events", len(bad), outcome="dead_letter")


def letter(message: Message, bad: Bad) -> Letter:
    reason = {
        "error_code": bad.error.code,
        "error_message": explain(bad.error),
        "source_message_id": message.message_id,
    }
    if bad.place is not None:
        reason["record_place"] = str(bad.place)
    return make_letter(bad.data, message.attributes, reason)


def explain(error: ServeError) -> str:
    """The message and the bad cells: which column, and why."""
    cells = "; ".join(f"{detail['column']}: {detail['reason']}" for detail in error.details)
    return f"{error.message} {cells}" if cells else error.message


def fields(message: Message, error: ServeError) -> dict[str, Any]:
    return {"fields": {"message_id": message.message_id, "error_code": error.code}}


def dry(scored: Scored, loaded: Loaded) -> Response:
    predictions = [strict_json.decode(result.body, 100) for result in scored.results]
    dead = [
        {"error_code": bad.error.code, "error_message": explain(bad.error), "place": bad.place} for bad in scored.bad
    ]
    return reply({"predictions": predictions, "dead_letters": dead}, loaded)
