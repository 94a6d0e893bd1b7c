"""What the shadow found: counted, told in the log, and sent to a topic. Values that came in are never part of it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from modelserve.differences import FLIP, Comparison
from modelserve.errors import PublishFailed
from modelserve.payloads.predictions import encode
from modelserve.publishing import Publisher
from modelserve.results import shorten_value, topic_path
from modelserve.settings import Settings
from modelserve.shadow import Offer

logger = logging.getLogger(__name__)

EVERY: Final = 60.0  # seconds between two summaries
MOST_LINES: Final = 5  # of single differences, between two summaries
# Seconds for what is left when the server ends, and as long for the topic: its instance is about to go.
LAST: Final = 1.0
MOST_WAITING: Final = 100  # messages for the topic; what comes while it takes none is counted


class Counts(msgspec.Struct):
    """Since the shadow started; `dropped` since the server did. `early`: before the challenger was active."""

    compared: int = 0
    differing: int = 0
    flips: int = 0
    greatest: float = 0.0
    early: int = 0
    dropped: int = 0
    unpublished: int = 0
    errors: Counter[str] = msgspec.field(default_factory=Counter)


class Report:
    def __init__(self, settings: Settings) -> None:
        """Raises SettingError for a topic without a project. The publisher's client takes half a second to make."""
        self.counts = Counts()
        self.versions: dict[str, str] = {}
        self.topic = ""
        self.publisher: Publisher | None = None
        if settings.shadow_topic:
            self.topic = topic_path(settings.shadow_topic, settings.google_cloud_project, "SHADOW_TOPIC")
            self.publisher = Publisher(settings.publish_timeout_seconds)
        self._publishing: set[asyncio.Task[None]] = set()
        self._lines = 0
        self._told = 0  # offers that the last summary knew of

    # --- one offer each ---

    def early(self, offer: Offer) -> None:
        self.counts.early += 1
        self._seen(offer, {})

    def compared(self, offer: Offer, shadow: Mapping[str, str], comparison: Comparison) -> None:
        """`shadow` has its model and its version."""
        self._seen(offer, shadow)
        counts = self.counts
        counts.compared += 1
        counts.greatest = max(counts.greatest, comparison.greatest)
        if comparison.counts:
            counts.differing += 1
            counts.flips += comparison.counts[FLIP]
            self._tell(offer, {"counts": comparison.counts, "greatest": comparison.greatest})
            differences: Any = comparison.differences
            self._send(offer, shadow, {"counts": comparison.counts, "differences": differences})

    def failed(self, offer: Offer, shadow: Mapping[str, str], code: str) -> None:
        """The challenger did not answer what the served version did."""
        self._seen(offer, shadow)
        self.counts.errors[code] += 1
        self._tell(offer, {"error_code": code})
        self._send(offer, shadow, {"error_code": code})

    def _seen(self, offer: Offer, shadow: Mapping[str, str]) -> None:
        self.counts.dropped = offer.dropped
        self.versions = {"model": offer.model, "version": offer.version, **shadow}

    # --- the log ---

    def _tell(self, offer: Offer, found: Mapping[str, Any]) -> None:
        """No values: they belong to the topic, where somebody has asked for them."""
        if self._lines < MOST_LINES:
            self._lines += 1
            fields = {"request_id": offer.request_id, **self.versions, **found}
            logger.info("the shadow answers otherwise", extra={"fields": fields})

    async def keep_telling(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.summarise()

    def summarise(self) -> None:
        """One line, when something came since the last."""
        counts = self.counts
        seen = counts.compared + counts.early + counts.errors.total()
        if seen > self._told:
            logger.info("shadow summary", extra={"fields": {**self.versions, **msgspec.structs.asdict(counts)}})
        self._told, self._lines = seen, 0

    # --- the topic ---

    def _send(self, offer: Offer, shadow: Mapping[str, str], found: Mapping[str, Any]) -> None:
        if self.publisher is None:
            return
        if len(self._publishing) >= MOST_WAITING:
            self.counts.unpublished += 1
            return
        names = {"model": offer.model, "version": offer.version, **shadow}
        body = encode({**names, "request_id": offer.request_id, **found})
        attributes = {
            "model_name": shorten_value(offer.model),
            "model_version": shorten_value(offer.version),
            "shadow_version": shorten_value(shadow.get("shadow_version", "")),
            "request_id": shorten_value(offer.request_id),
        }
        task = asyncio.get_running_loop().create_task(self._publish(self.publisher, body, attributes))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(self, publisher: Publisher, body: bytes, attributes: Mapping[str, str]) -> None:
        try:
            await publisher.publish(self.topic, body, "", attributes)
        except PublishFailed:
            self.counts.unpublished += 1

    async def finish(self) -> None:
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=LAST)
        self.summarise()
