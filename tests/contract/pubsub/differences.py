"""Where our server and Google's emulator are known to differ: data, and the only place where a test may tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    rule: str
    ours: Any
    google: Any
    why: str


# fmt: off
TABLE = (
    Difference("status of creating a subscription with a filter", "INVALID_ARGUMENT", "OK", "ours has no filters, and ignoring one would deliver what nobody asked for"),
    Difference("status of max_delivery_attempts 3", "INVALID_ARGUMENT", "OUT_OF_RANGE", "one code for whatever is wrong in a request"),
    Difference("status of listing the subscriptions of a topic that does not exist", "NOT_FOUND", "OK", "the service answers NOT_FOUND; the emulator does not look"),
    Difference("status of acking an id that was never given out", "OK", "INVALID_ARGUMENT", "the service takes any ack id whose message is gone, and ids are opaque"),
    Difference("messages of one ordering key in one pull", 1, 2, "ours sends the next after the ack, the strictest order that the service allows"),
    Difference("order of 1, 2, 3 of one key when 1 is nacked first", ["1", "2", "3"], ["2", "3", "1"], "the service redelivers the rest of the key after it; the emulator puts a nacked message last"),
    Difference("a dead letter is forwarded without another pull of its source", True, False, "the emulator looks only when the source is pulled again"),
    Difference("a push answered with 203 comes again", True, False, "203 is not among the documented acks 102, 200, 201, 202 and 204"),
    Difference("push carries an Authorization header", True, False, "the emulator ignores oidc_token"),
    Difference("wrapped push carries orderingKey", True, False, "the service sends it, the emulator leaves it out"),
    Difference("wrapped push carries deliveryAttempt with a dead letter policy", True, False, "the service sends it, the emulator leaves it out"),
    Difference("ordering key header of an unwrapped push", "x-goog-pubsub-ordering-key", "x-goog-ordering-key", "the documented name; the emulator has another"),
)
# fmt: on

RULES = {difference.rule: difference for difference in TABLE}


def expected_value(backend: str, rule: str) -> Any:
    """What `ours` or `google` does."""
    return getattr(RULES[rule], backend)
