"""Prediction events out: their ids, their bodies, and the two places they go to."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelserve.core.errors import BadSetting, PreconditionFailed
from modelserve.core.settings import Settings
from modelserve.events.publisher import Publisher
from modelserve.payloads.predictions import encode
from modelserve.store.buckets.objects import NotModified, Objects
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store

logger = logging.getLogger(__name__)

# https://cloud.google.com/pubsub/quotas: bytes of an attribute's name, of its value and of an ordering key, and how many
# attributes a message may have.
MAX_NAME, MAX_VALUE, MAX_KEY, MAX_ATTRIBUTES = 256, 1_024, 1_024, 100
# Bytes of one stored result when it is read again: more than any that Pub/Sub takes, since what was written must be read.
RESULT_LIMIT: Final = 64 << 20
# The longest message: Pub/Sub takes requests of 10 MB, https://cloud.google.com/pubsub/quotas; the rest is for framing.
MAX_MESSAGE: Final = 9_990_000
FRAME: Final = 16  # bytes around each attribute, at most
CUT: Final = 1_000_000  # bytes that are kept of a dead letter that is too large


@dataclass(frozen=True, slots=True)
class Result:
    """One prediction event."""

    body: bytes
    prediction_id: str
    ordering_key: str
    attributes: Mapping[str, str]


def prediction_id(message_id: str, place: int) -> str:
    """Depends only on the source message and the record's place in it, so a redelivery has the same one."""
    return hashlib.sha256(f"{message_id}/{place}".encode()).hexdigest()[:32]


def make_result(
    name: str, version: str, prediction: Mapping[str, Any], key: str, message_id: str, place: int
) -> Result:
    own = prediction_id(message_id, place)
    body = {"model": name, "version": version, "prediction": prediction, "prediction_id": own}
    attributes = {
        "model_name": shorten_value(name),
        "model_version": shorten_value(version),
        "source_message_id": shorten_value(message_id),
        "prediction_id": own,
    }
    return Result(encode(body), own, shorten(key), attributes)


def shorten(key: str) -> str:
    """An ordering key within its limit; a longer one by its digest, which orders just as well."""
    data = key.encode()
    return key if len(data) <= MAX_KEY else hashlib.sha256(data).hexdigest()


def shorten_value(value: str) -> str:
    if value.isascii() and len(value) <= MAX_VALUE:
        return value
    return value.encode()[:MAX_VALUE].decode(errors="ignore")


def keep_attributes(attributes: Mapping[str, str], reason: Mapping[str, str]) -> dict[str, str]:
    """Those that Pub/Sub will take back: names that start with goog belong to it, and there is room for 100 in all."""
    usable = [(key, value) for key, value in attributes.items() if key and not key.startswith("goog")]
    return dict(
        [(key, value) for key, value in usable if len(key.encode()) <= MAX_NAME][: MAX_ATTRIBUTES - len(reason)]
    )


@dataclass(frozen=True, slots=True)
class Letter:
    """One message for the dead letter topic, within Pub/Sub's limits."""

    data: bytes
    attributes: Mapping[str, str]

    @property
    def size(self) -> int:
        texts = (len(key.encode()) + len(value.encode()) + FRAME for key, value in self.attributes.items())
        return len(self.data) + sum(texts) + FRAME


def make_letter(data: bytes, attributes: Mapping[str, str], reason: Mapping[str, str]) -> Letter:
    """The original data and attributes, with the reason in attributes beside them.

    Data that Pub/Sub would not take is cut, and then says so: its first megabyte, with the size and digest of the whole.
    """
    letter = Letter(data, marked(attributes, reason))
    if letter.size <= MAX_MESSAGE:
        return letter
    whole = {"truncated": "true", "data_bytes": str(len(data)), "data_sha256": hashlib.sha256(data).hexdigest()}
    return Letter(data[:CUT], marked(attributes, {**reason, **whole}))


def marked(attributes: Mapping[str, str], reason: Mapping[str, str]) -> dict[str, str]:
    both = {**keep_attributes(attributes, reason), **reason}
    return {key: shorten_value(value) for key, value in both.items()}


def topic_path(topic: str, project: str, setting: str) -> str:
    if topic.startswith("projects/"):
        return topic
    if not topic:
        raise BadSetting(f"{setting} is not set; it says which topic to publish to.")
    if not project:
        raise BadSetting(f"{setting} names no project and GOOGLE_CLOUD_PROJECT is not set.")
    return f"projects/{project}/topics/{topic}"


class ResultsBucket:
    """Each result as an object that is created once: `results/<model>/<prediction id>.json`."""

    def __init__(self, bucket: str) -> None:
        self._objects: Objects = open_objects(parse_store(bucket if "/" in bucket else f"gs://{bucket}"))

    async def keep(self, name: str, result: Result) -> Result:
        """The result that counts: this one, or the one an earlier delivery of the same message has stored."""
        stored = await asyncio.to_thread(self._keep, f"results/{name}/{result.prediction_id}.json", result.body)
        return Result(stored, result.prediction_id, result.ordering_key, result.attributes)

    def _keep(self, name: str, body: bytes) -> bytes:
        try:
            self._objects.write(name, body, if_generation_match=0)
        except PreconditionFailed:
            found = self._objects.read(name, RESULT_LIMIT)
            return body if isinstance(found, NotModified) else found[0]
        return body


class Results:
    """Where events go. Built on a thread of its own when the process starts: the client takes half a second."""

    def __init__(self, settings: Settings) -> None:
        project = settings.google_cloud_project
        self.predictions = topic_path(settings.predictions_topic, project, "PREDICTIONS_TOPIC")
        self.dead_letters = (
            topic_path(settings.dead_letter_topic, project, "DEAD_LETTER_TOPIC") if settings.dead_letter_topic else ""
        )
        self.ordered = settings.ordered_predictions
        self.publisher = Publisher(settings.publish_timeout_seconds)
        self.bucket = ResultsBucket(settings.results_bucket) if settings.results_bucket else None

    async def publish(self, name: str, result: Result) -> None:
        if self.bucket is not None:
            result = await self.bucket.keep(name, result)
        key = result.ordering_key if self.ordered else ""
        await self.publisher.publish(self.predictions, [(result.body, result.attributes)], key)

    async def publish_all(self, name: str, results: Sequence[Result]) -> None:
        """Those of one message. The first that fails ends the others: their message comes again."""
        if len(results) == 1:
            await self.publish(name, results[0])
            return
        if not self.ordered and self.bucket is None:
            await self.publisher.publish(self.predictions, [(result.body, result.attributes) for result in results])
            return
        tasks = [asyncio.ensure_future(self.publish(name, result)) for result in results]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def dead_letter(self, letters: Sequence[Letter]) -> None:
        await self.publisher.publish(self.dead_letters, [(letter.data, letter.attributes) for letter in letters])
