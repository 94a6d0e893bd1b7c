"""What the shadow found: counted, told in the log, and sent to a topic. Values that came in are never part of it.

Every message has the counts of its two versions since the process started. So one that is lost hides nothing that the
next does not tell, and one that comes twice, or late, counts once: whoever reads them keeps the largest of each `shadow_id`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from modelserve.core.errors import PublishFailed
from modelserve.core.settings import Settings
from modelserve.events.publisher import Publisher
from modelserve.events.results import shorten_value, topic_path
from modelserve.payloads.differences import Comparison
from modelserve.payloads.predictions import encode
from modelserve.shadow.sender import Offer
from modelserve.shadow.tally import Tally

logger = logging.getLogger(__name__)

EVERY: Final = 60.0  # seconds between two summaries
MOST_LINES: Final = 5  # of single differences, between two summaries
# Seconds for what is left when the server ends, and as long for the topic: its instance is about to go.
LAST: Final = 1.0
MOST_WAITING: Final = 100  # messages for the topic; what comes while it takes none is counted
MOST_PAIRS: Final = 16  # of versions whose counts are kept; there are two while one of them is replaced
DIFFERENCE, SUMMARY = "difference", "summary"  # what a message is, in its attribute `kind`


class Counts(msgspec.Struct):
    """Of all versions since the shadow started; `dropped` since the server did. `early`: before the challenger was active."""

    early: int = 0
    dropped: int = 0
    unpublished: int = 0


class Pair(msgspec.Struct):
    """A served version and a challenger."""

    names: Mapping[str, str]
    id: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex)
    """Of these counts: another process, and one that has forgotten them, begins others."""
    tally: Tally = msgspec.field(default_factory=Tally)
    logged: int = 0
    """Offers that the log knows of."""
    told: int = 0
    """Offers that the topic has a summary of."""


class Report:
    def __init__(self, settings: Settings) -> None:
        """Raises BadSetting for a topic without a project. The publisher's client takes half a second to make."""
        self.counts = Counts()
        self.pairs: dict[tuple[str, ...], Pair] = {}
        self.last = Pair({})
        self.topic = ""
        self.publisher: Publisher | None = None
        if settings.shadow_topic:
            self.topic = topic_path(settings.shadow_topic, settings.google_cloud_project, "SHADOW_TOPIC")
            self.publisher = Publisher(settings.publish_timeout_seconds)
        self._publishing: set[asyncio.Task[None]] = set()
        self._lines = 0
        self._early = 0  # that the last summary knew of

    # --- one offer each ---

    def early(self, offer: Offer) -> None:
        self.counts.early += 1
        self._pair(offer, {})

    def compared(self, offer: Offer, shadow: Mapping[str, str], comparison: Comparison) -> None:
        """`shadow` has its model, its version and the digest of its manifest."""
        pair = self._pair(offer, shadow)
        pair.tally.add(comparison)
        if comparison.counts:
            self._tell(offer, {"counts": comparison.counts, "greatest": comparison.greatest})
            differences: Any = comparison.differences
            self._send_difference(offer, pair, {"counts": comparison.counts, "differences": differences})

    def failed(self, offer: Offer, shadow: Mapping[str, str], code: str) -> None:
        """The challenger did not answer what the served version did."""
        pair = self._pair(offer, shadow)
        pair.tally.fail(code)
        self._tell(offer, {"error_code": code})
        self._send_difference(offer, pair, {"error_code": code})

    def _pair(self, offer: Offer, shadow: Mapping[str, str]) -> Pair:
        self.counts.dropped = offer.dropped
        names = {"model": offer.model, "version": offer.version, **shadow}
        key = tuple(names.values())
        self.last = self.pairs.pop(key) if key in self.pairs else Pair(names)
        self.pairs[key] = self.last  # behind the others: the first is the one that was used longest ago
        if len(self.pairs) > MOST_PAIRS:
            del self.pairs[next(iter(self.pairs))]
        return self.last

    # --- the log ---

    def _tell(self, offer: Offer, found: Mapping[str, Any]) -> None:
        """No values: they belong to the topic, where somebody has asked for them."""
        if self._lines < MOST_LINES:
            self._lines += 1
            fields = {"request_id": offer.request_id, **self.last.names, **found}
            logger.info("the shadow answers otherwise", extra={"fields": fields})

    async def keep_telling(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.summarise()

    def summarise(self) -> None:
        self._log_summaries()
        self._send_summaries()

    def _log_summaries(self) -> None:
        """One line for each pair of which something came since the last."""
        news = [pair for pair in self.pairs.values() if pair.tally.seen > pair.logged]
        if not news and self.counts.early > self._early:
            news = [self.last]
        for pair in news:
            pair.logged = pair.tally.seen
            counts = msgspec.structs.asdict(pair.tally) | msgspec.structs.asdict(self.counts)
            logger.info("shadow summary", extra={"fields": {**pair.names, **counts}})
        self._early, self._lines = self.counts.early, 0

    # --- the topic ---

    def _send_summaries(self) -> None:
        """Until the topic has accepted one that knows of everything."""
        for pair in self.pairs.values():
            if pair.tally.seen > pair.told:
                self._send(pair, {"kind": SUMMARY}, msgspec.structs.asdict(self.counts))

    def _send_difference(self, offer: Offer, pair: Pair, found: Mapping[str, Any]) -> None:
        if len(self._publishing) >= MOST_WAITING:
            self.counts.unpublished += 1
            return
        request_id = offer.request_id
        self._send(pair, {"kind": DIFFERENCE, "request_id": request_id}, {"request_id": request_id, **found})

    def _send(self, pair: Pair, marks: Mapping[str, str], found: Mapping[str, Any]) -> None:
        if self.publisher is None:
            return
        body = encode({**pair.names, "shadow_id": pair.id, **found, "so_far": pair.tally})
        versions = {
            "model_name": pair.names["model"],
            "model_version": pair.names["version"],
            "shadow_version": pair.names["shadow_version"],
        }
        attributes = {name: shorten_value(value) for name, value in {**versions, **marks}.items()}
        told = pair.tally.seen if marks["kind"] == SUMMARY else 0
        task = asyncio.get_running_loop().create_task(self._publish(self.publisher, body, attributes, pair, told))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(
        self, publisher: Publisher, body: bytes, attributes: Mapping[str, str], pair: Pair, told: int
    ) -> None:
        try:
            await publisher.publish(self.topic, [(body, attributes)])
        except PublishFailed:
            self.counts.unpublished += 1
        else:
            pair.told = max(pair.told, told)

    async def finish(self) -> None:
        self._send_summaries()
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=LAST)
        self._log_summaries()
