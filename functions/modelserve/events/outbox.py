"""What goes out for a message: its prediction events, then its dead letters."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelserve.core.errors import ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.dead_letters import DeadLetter, make_dead_letter
from modelserve.events.envelopes import Message
from modelserve.events.publisher import Publisher, topic_path
from modelserve.events.records import RejectedRecord
from modelserve.events.results import Result, ResultsBucket

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScoredMessage:
    model: str
    results: Sequence[Result]
    rejected: Sequence[RejectedRecord]


class Outbox:
    """Connects with the first message, or when `connect` is called, because making the client takes half a second."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.connected = False
        self._lock = threading.Lock()

    def connect(self) -> None:
        """On any thread. Raises BadSetting."""
        settings = self.settings
        with self._lock:
            if self.connected:
                return
            project = settings.google_cloud_project
            self.predictions = topic_path(settings.predictions_topic, project, "PREDICTIONS_TOPIC")
            self.dead_letters = settings.dead_letter_topic and topic_path(
                settings.dead_letter_topic, project, "DEAD_LETTER_TOPIC"
            )
            self.publisher = Publisher(settings.publish_timeout_seconds)
            self.bucket = ResultsBucket(settings.results_bucket) if settings.results_bucket else None
            self.connected = True

    async def ready(self) -> None:
        if not self.connected:
            await asyncio.to_thread(self.connect)

    async def deliver(self, message: Message, scored: ScoredMessage) -> None:
        """Returns when Pub/Sub has accepted everything; raises if the message must be redelivered. Prediction events go
        first, because a redelivery repeats them under the same id, whereas a repeated dead letter would be a new one."""
        if not scored.results and not scored.rejected:
            raise ServeError("The message came to nothing; it must not be acked.")
        await self.ready()
        if scored.results:
            await self.publish(scored.model, scored.results)
        if scored.rejected:
            await self._send_rejected(message, scored.rejected)
        if scored.results:
            self.metrics.count("events", outcome="published")

    def report_retry(self, message: Message, error: Exception) -> None:
        self.metrics.count("events", outcome="retry")
        logger.warning("a message is sent back", exc_info=error, extra={"fields": log_fields(message, error)})

    async def publish(self, model: str, results: Sequence[Result]) -> None:
        """The results of one message. The first failure cancels the others, since the message is redelivered."""
        if self.bucket is None and not self.settings.ordered_predictions:
            await self.publisher.publish(self.predictions, [(result.body, result.attributes) for result in results])
            return
        tasks = [asyncio.ensure_future(self._publish_one(model, result)) for result in results]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _publish_one(self, model: str, result: Result) -> None:
        if self.bucket is not None:
            result = await self.bucket.keep(model, result)
        key = result.ordering_key if self.settings.ordered_predictions else ""
        await self.publisher.publish(self.predictions, [(result.body, result.attributes)], key)

    async def _send_rejected(self, message: Message, rejected: Sequence[RejectedRecord]) -> None:
        first = rejected[0].error
        if not self.dead_letters:
            raise first  # nowhere to keep it: let the subscription's own policy end it
        fields = {**log_fields(message, first), "records": len(rejected)}
        logger.error(
            "records go to the dead letter topic; this is why the first does", exc_info=first, extra={"fields": fields}
        )
        await self.send_dead_letters([make_dead_letter(message, one) for one in rejected])
        self.metrics.count("events", len(rejected), outcome="dead_letter")

    async def send_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        await self.publisher.publish(self.dead_letters, [(one.data, one.attributes) for one in dead_letters])


def log_fields(message: Message, error: Exception) -> dict[str, Any]:
    code = error.code if isinstance(error, ServeError) else ServeError.code
    return {"message_id": message.message_id, "error_code": code}
