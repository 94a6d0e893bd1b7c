"""Prediction events: their ids, bodies and attributes, and the bucket that keeps the first result of each."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from modelserve.core.errors import PreconditionFailed
from modelserve.events.publisher import MAX_KEY, shorten_value
from modelserve.payloads.predictions import encode
from modelserve.store.buckets.objects import Objects
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store

# Bytes of a stored result that is read again: more than Pub/Sub accepts, since every result that was written must be read.
MAX_STORED_RESULT: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Result:
    body: bytes
    prediction_id: str
    ordering_key: str
    attributes: Mapping[str, str]
    unknown_categories: int = 0  # cells of the record with a category that the model has never seen


def prediction_id(message_id: str, place: int) -> str:
    """Depends only on the source message and the record's place in it, so a redelivery has the same one."""
    return hashlib.sha256(f"{message_id}/{place}".encode()).hexdigest()[:32]


def make_result(
    name: str,
    version: str,
    prediction: Mapping[str, Any],
    key: str,
    message_id: str,
    place: int,
    unknown_categories: int = 0,
) -> Result:
    own = prediction_id(message_id, place)
    body = {"model": name, "version": version, "prediction": prediction, "prediction_id": own}
    attributes = {
        "model_name": shorten_value(name),
        "model_version": shorten_value(version),
        "source_message_id": shorten_value(message_id),
        "prediction_id": own,
    }
    return Result(encode(body), own, shorten_key(key), attributes, unknown_categories)


def shorten_key(key: str) -> str:
    data = key.encode()
    return key if len(data) <= MAX_KEY else hashlib.sha256(data).hexdigest()


class ResultsBucket:
    """Each result as an object that is created once: `results/<model>/<prediction id>.json`."""

    def __init__(self, bucket: str) -> None:
        self._objects: Objects = open_objects(parse_store(bucket if "/" in bucket else f"gs://{bucket}"))

    async def keep(self, name: str, result: Result) -> Result:
        """This result, or the one that an earlier delivery of the same message has stored."""
        stored = await asyncio.to_thread(self._keep, f"results/{name}/{result.prediction_id}.json", result.body)
        return replace(result, body=stored)

    def _keep(self, name: str, body: bytes) -> bytes:
        try:
            self._objects.write(name, body, if_generation_match=0)
        except PreconditionFailed:
            found = self._objects.read(name, MAX_STORED_RESULT)
            return body if found is None else found[0]
        return body
