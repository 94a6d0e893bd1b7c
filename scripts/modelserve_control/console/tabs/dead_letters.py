"""The dead letters by reason. They are looked at and given back: the subscription keeps them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelserve.store.buckets.objects import Objects
from modelserve_control.common.errors import SubscriptionUnusable
from modelserve_control.common.output import check_installed
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, section, soft, table

MAX_MESSAGES: Final = 1_000  # of one pull; Pub/Sub returns no more
PULL_SECONDS: Final = 5.0
MAX_SHOWN: Final = 300  # characters
HEAD: Final = ("reason", "letters", "message of the newest", "its data")

Letter = tuple[Mapping[str, str], bytes]


def build(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterator[Any]:
    if options.dead_letters is None:
        yield soft(
            "There is no subscription to look at: start the console with --dead-letters projects/P/subscriptions/S."
        )
        return
    letters = peek(options.dead_letters)
    by_reason: dict[str, list[Letter]] = defaultdict(list)
    for letter in letters:
        by_reason[letter[0].get("error_code", "none: Pub/Sub gave it up")].append(letter)
    rows = [(reason, f"{len(found):,}", *describe(found[-1])) for reason, found in sorted(by_reason.items())]
    words = soft(f"{len(letters):,} of {options.dead_letters}: as many as Pub/Sub gave at once.")
    yield section("Dead letters", words, *([table(HEAD, rows, "Dead letters")] if rows else []))


def describe(letter: Letter) -> tuple[str, str]:
    attributes, data = letter
    return attributes.get("error_message", "-"), data[: 4 * MAX_SHOWN].decode(errors="replace")[:MAX_SHOWN]


def peek(subscription: str) -> list[Letter]:
    """The oldest first. Raises SubscriptionUnusable."""
    check_installed(("cloud",))
    from google.api_core.exceptions import DeadlineExceeded, GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.pubsub_v1 import SubscriberClient

    name = {"subscription": subscription}
    try:
        with SubscriberClient() as client:
            try:
                pulled = client.pull(request={**name, "max_messages": MAX_MESSAGES}, retry=None, timeout=PULL_SECONDS)
            except DeadlineExceeded:  # it has none
                return []
            found = sorted(pulled.received_messages, key=lambda one: one.message.publish_time)
            if found:
                ids = [one.ack_id for one in found]
                client.modify_ack_deadline(request={**name, "ack_ids": ids, "ack_deadline_seconds": 0})
    except (GoogleAPICallError, GoogleAuthError) as error:
        raise SubscriptionUnusable(f"{subscription} cannot be pulled from: {error}.") from error
    return [(dict(one.message.attributes), one.message.data) for one in found]
