"""Counts the comparisons, logs them and publishes them to a topic, without any value of a request.

Every message has all counts since the process started, so that lost, late or repeated messages do no harm: a reader keeps
the largest counts of each `shadow_id`.
"""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from modelserve.core.errors import PublishFailed
from modelserve.core.settings import Settings
from modelserve.events.publisher import Publisher, shorten_value, topic_path
from modelserve.payloads.differences import Comparison
from modelserve.payloads.predictions import encode
from modelserve.shadow.sender import Sample
from modelserve.shadow.tally import Tally

logger = logging.getLogger(__name__)

SUMMARY_SECONDS: Final = 60.0  # between summaries
MAX_LINES: Final = 5  # of single differences, between summaries
# For the remaining samples when the server ends, and as long for the topic: the instance is about to end.
FINISH_SECONDS: Final = 1.0
MAX_WAITING: Final = 100  # messages for the topic; further ones are counted
MAX_PAIRS: Final = 16  # of versions whose counts are kept; there are two while a version is replaced
DIFFERENCE, SUMMARY = "difference", "summary"  # values of the attribute `kind`


class Counts(msgspec.Struct):
    """Of all versions since the shadow started; `dropped` since the server started. `early`: before the challenger was active."""

    early: int = 0
    dropped: int = 0
    unpublished: int = 0


class Pair(msgspec.Struct):
    names: Mapping[str, str]
    id: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex)
    """Of these counts; a process that starts to count anew has another."""
    tally: Tally = msgspec.field(default_factory=Tally)
    logged: int = 0  # samples in the last logged summary
    published: int = 0  # samples in the last published summary


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
        self._early = 0  # in the last summary

    def add_early(self, sample: Sample) -> None:
        self.counts.early += 1
        self._pair(sample, {})

    def add_comparison(self, sample: Sample, shadow: Mapping[str, str], comparison: Comparison) -> None:
        pair = self._pair(sample, shadow)
        pair.tally.add(comparison)
        if comparison.counts:
            self._log_difference(sample, {"counts": comparison.counts, "greatest": comparison.greatest})
            differences: Any = comparison.differences
            self._send_difference(sample, pair, {"counts": comparison.counts, "differences": differences})

    def add_failure(self, sample: Sample, shadow: Mapping[str, str], code: str) -> None:
        pair = self._pair(sample, shadow)
        pair.tally.fail(code)
        self._log_difference(sample, {"error_code": code})
        self._send_difference(sample, pair, {"error_code": code})

    def _pair(self, sample: Sample, shadow: Mapping[str, str]) -> Pair:
        self.counts.dropped = sample.dropped
        names = {"model": sample.model, "version": sample.version, **shadow}
        key = tuple(names.values())
        self.last = self.pairs.pop(key) if key in self.pairs else Pair(names)
        self.pairs[key] = self.last  # at the end: the first is the least recently used
        if len(self.pairs) > MAX_PAIRS:
            del self.pairs[next(iter(self.pairs))]
        return self.last

    def _log_difference(self, sample: Sample, found: Mapping[str, Any]) -> None:
        if self._lines < MAX_LINES:
            self._lines += 1
            fields = {"request_id": sample.request_id, **self.last.names, **found}
            logger.info("the answer of the shadow differs", extra={"fields": fields})

    async def summarise_periodically(self) -> None:
        while True:
            await asyncio.sleep(SUMMARY_SECONDS)
            self.summarise()

    def summarise(self) -> None:
        self._log_summaries()
        self._send_summaries()

    def _log_summaries(self) -> None:
        changed = [pair for pair in self.pairs.values() if pair.tally.seen > pair.logged]
        if not changed and self.counts.early > self._early:
            changed = [self.last]
        for pair in changed:
            pair.logged = pair.tally.seen
            counts = msgspec.structs.asdict(pair.tally) | msgspec.structs.asdict(self.counts)
            logger.info("shadow summary", extra={"fields": {**pair.names, **counts}})
        self._early, self._lines = self.counts.early, 0

    def _send_summaries(self) -> None:
        """Repeats a summary until the topic has accepted it."""
        for pair in self.pairs.values():
            if pair.tally.seen > pair.published:
                self._send(pair, {"kind": SUMMARY}, msgspec.structs.asdict(self.counts))

    def _send_difference(self, sample: Sample, pair: Pair, found: Mapping[str, Any]) -> None:
        if len(self._publishing) >= MAX_WAITING:
            self.counts.unpublished += 1
            return
        request_id = sample.request_id
        self._send(pair, {"kind": DIFFERENCE, "request_id": request_id}, {"request_id": request_id, **found})

    def _send(self, pair: Pair, more: Mapping[str, str], found: Mapping[str, Any]) -> None:
        if self.publisher is None:
            return
        body = encode({**pair.names, "shadow_id": pair.id, **found, "so_far": pair.tally})
        versions = {
            "model_name": pair.names["model"],
            "model_version": pair.names["version"],
            "shadow_version": pair.names["shadow_version"],
        }
        attributes = {name: shorten_value(value) for name, value in {**versions, **more}.items()}
        published = pair.tally.seen if more["kind"] == SUMMARY else 0
        task = asyncio.get_running_loop().create_task(self._publish(self.publisher, body, attributes, pair, published))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(
        self, publisher: Publisher, body: bytes, attributes: Mapping[str, str], pair: Pair, published: int
    ) -> None:
        try:
            await publisher.publish(self.topic, [(body, attributes)])
        except PublishFailed:
            self.counts.unpublished += 1
        else:
            pair.published = max(pair.published, published)

    async def finish(self) -> None:
        self._send_summaries()
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=FINISH_SECONDS)
        self._log_summaries()
