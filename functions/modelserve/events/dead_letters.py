"""What a dead letter carries: the data and attributes that came, and in further attributes why it is one.

A new attribute goes into `make_dead_letter`, `OWN_NAMES` and docs/events.md.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from modelserve.core.errors import ServeError, join_reasons
from modelserve.events.envelopes import Message
from modelserve.events.publisher import MAX_ATTRIBUTES, MAX_NAME, shorten_value
from modelserve.events.records import RejectedRecord

# The longest message: Pub/Sub takes requests of 10 MB, https://cloud.google.com/pubsub/quotas; the rest is for framing.
MAX_MESSAGE: Final = 9_990_000
ATTRIBUTE_FRAME: Final = 16  # bytes around each attribute, at most
TRUNCATED_SIZE: Final = 1_000_000  # bytes that are kept of a dead letter that is too large
# A dead letter that is published again for another attempt brings these names of its first one.
OWN_NAMES: Final = frozenset(
    ("error_code", "error_message", "source_message_id", "record_place", "truncated", "data_bytes", "data_sha256")
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    data: bytes
    attributes: Mapping[str, str]

    @property
    def size(self) -> int:
        texts = (len(key.encode()) + len(value.encode()) + ATTRIBUTE_FRAME for key, value in self.attributes.items())
        return len(self.data) + sum(texts) + ATTRIBUTE_FRAME


def make_dead_letter(message: Message, rejected: RejectedRecord) -> DeadLetter:
    """`source_message_id` and `record_place` are the same at each delivery, so a reader can drop what it has seen."""
    reason = {
        "error_code": rejected.error.code,
        "error_message": describe_error(rejected.error),
        "source_message_id": message.message_id,
    }
    if rejected.place is not None:
        reason["record_place"] = str(rejected.place)
    return within_limits(rejected.data, message.attributes, reason)


def describe_error(error: ServeError) -> str:
    cells = join_reasons(error.details)
    return f"{error.message} {cells}" if cells else error.message


def within_limits(data: bytes, attributes: Mapping[str, str], reason: Mapping[str, str]) -> DeadLetter:
    """Data that Pub/Sub would not accept is truncated, and attributes tell its full size and digest."""
    dead_letter = DeadLetter(data, dead_letter_attributes(attributes, reason))
    if dead_letter.size <= MAX_MESSAGE:
        return dead_letter
    whole = {"truncated": "true", "data_bytes": str(len(data)), "data_sha256": hashlib.sha256(data).hexdigest()}
    return DeadLetter(data[:TRUNCATED_SIZE], dead_letter_attributes(attributes, {**reason, **whole}))


def dead_letter_attributes(attributes: Mapping[str, str], reason: Mapping[str, str]) -> dict[str, str]:
    """The reason, and those of the original attributes that Pub/Sub accepts: names that start with goog are reserved."""
    usable = [
        (key, value)
        for key, value in attributes.items()
        if key and key not in OWN_NAMES and not key.startswith("goog") and len(key.encode()) <= MAX_NAME
    ]
    kept = dict(usable[: MAX_ATTRIBUTES - len(reason)])
    return {key: shorten_value(value) for key, value in {**kept, **reason}.items()}
