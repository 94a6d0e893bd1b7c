"""What the shadows of running services tell of a version beside the one in use, pulled from a subscription of their topic.

Each message has the counts of its shadow since that began, so the largest of each is kept: a message that comes twice counts
once, and one that is lost is made good by the next. They are noted in the record before they are acked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from modelserve.core.errors import BadSetting
from modelserve.shadow.tally import Tally
from modelserve_control.common import provenance
from modelserve_control.common.errors import BeyondThresholds, NothingShadowed, SubscriptionUnusable
from modelserve_control.compare.stats.thresholds import Breach, Thresholds, over
from modelserve_control.deploy.release.record import Record

SUBSCRIPTION: Final = re.compile(r"projects/[^/]+/subscriptions/[^/]+")
# Seconds between two notes: Cloud Storage takes one write of an object a second, https://cloud.google.com/storage/quotas,
# and Pub/Sub gives at least ten until a message must be acked.
NOTE: Final = 5.0
# Seconds after the time is up for the last summaries, which shadows tell each minute.
LAST: Final = 75.0
PAUSE: Final = 0.2  # seconds after a failure
MOST_MESSAGES: Final = 1_000  # of one pull: all that Pub/Sub gives
MOST_SHADOWS: Final = 2_000  # are noted, at some 250 bytes each: a record is read up to a megabyte

# What else comes is no shadow's: it would take from the others' counts, or leave a record that cannot be read.
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Name = Annotated[str, Meta(max_length=1_024)]


def check(seconds: float | None, subscription: str | None) -> None:
    """Raises BadSetting for one without the other, and for a name that is none."""
    if (seconds is None) != (subscription is None):
        raise BadSetting("--shadow says how long, --shadow-subscription where it is heard: they go together.")
    if subscription is not None and not SUBSCRIPTION.fullmatch(subscription):
        raise BadSetting("--shadow-subscription must be projects/P/subscriptions/S.")


@dataclass(frozen=True)
class Wanted:
    """The messages that count: of this version in use, and of this challenger."""

    name: str
    before: str
    version: str
    manifest_sha256: str
    subscription: str
    seconds: float
    least: int
    """Answers that must have been compared before they say anything."""


class Counts(Tally):
    """As a shadow can have counted."""

    compared: Count
    differing: Count
    flips: Count
    greatest: Annotated[float, Meta(ge=0)]
    rows: Count
    flipped: Count
    forms: Count
    errors: Annotated[dict[Annotated[str, Meta(pattern="^[A-Z0-9_]{1,40}$")], Count], Meta(max_length=20)]


class Told(msgspec.Struct):
    """What is read of a message of `modelserve.shadow.report`."""

    model: Name
    version: Name
    shadow_model: Name
    shadow_version: Name
    shadow_manifest_sha256: Name
    shadow_id: Annotated[str, Meta(pattern="^[0-9a-z]{1,40}$")]
    so_far: Counts


@dataclass
class Heard:
    """`shadows`: the largest counts of each, by its id. `last`: when it was last heard, in seconds since 1970. `other`: the
    versions of the last message that does not count."""

    shadows: dict[str, Tally]
    last: dict[str, float] = field(default_factory=dict)
    other: str | None = None

    @classmethod
    def noted(cls, record: Record) -> Heard:
        found: Mapping[str, Any] = record.document.get("shadow") or {"heard": {}}
        return cls(msgspec.convert(found["heard"], dict[str, Tally]))

    def take(self, wanted: Wanted, data: bytes, published: float) -> bool:
        """Whether it tells more than was known."""
        try:
            told = msgspec.json.decode(data, type=Told)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False  # not a shadow's
        names = (told.model, told.version, told.shadow_model, told.shadow_version, told.shadow_manifest_sha256)
        if names != (wanted.name, wanted.before, wanted.name, wanted.version, wanted.manifest_sha256):
            self.other = (
                f"version {told.version} of {told.model} with version {told.shadow_version} of {told.shadow_model}"
            )
            return False
        known = self.shadows.get(told.shadow_id)
        if known is None and len(self.shadows) == MOST_SHADOWS:
            return False
        self.last[told.shadow_id] = max(self.last.get(told.shadow_id, 0.0), published)
        if known is not None and known.seen >= told.so_far.seen:
            return False
        self.shadows[told.shadow_id] = told.so_far
        return True

    def total(self) -> Tally:
        found = Tally()
        for tally in self.shadows.values():
            found.merge(tally)
        return found

    def all_since(self, end: float) -> bool:
        """Whether each has told something after `end`."""
        return all(self.last.get(shadow, 0.0) >= end for shadow in self.shadows)


def listen(record: Record, wanted: Wanted, limits: Thresholds) -> Heard:
    """Until the time is up since it was begun, by whichever process, and the last summaries are there; or until what is
    beyond the limits is known.

    Raises SubscriptionUnusable.
    """
    heard = Heard.noted(record)
    if "shadow" not in record.document:
        record.note(shadow={"began_at": provenance.now(), "heard": {}})
    began_at: str = record.document["shadow"]["began_at"]
    began = datetime.fromisoformat(began_at).timestamp()
    end = began + wanted.seconds
    until = max(end, time.time()) + LAST  # what waited while no process listened is heard, too
    with Ear(wanted.subscription) as ear:
        while not decided(heard.total(), wanted, limits):
            if time.time() > end and heard.total().compared >= wanted.least and heard.all_since(end):
                break
            grown = [heard.take(wanted, data, at) for data, at in ear.pull(NOTE) if at >= began]
            if any(grown):
                shadows = {shadow: msgspec.structs.asdict(tally) for shadow, tally in heard.shadows.items()}
                record.note(shadow={"began_at": began_at, "heard": shadows})
            ear.ack()
            if time.time() > until:
                break
    return heard


def decided(found: Tally, wanted: Wanted, limits: Thresholds) -> bool:
    """Nothing more is waited for once enough was seen and it is beyond the limits."""
    return found.seen >= wanted.least and bool(breaches(limits, found))


def judge(heard: Heard, wanted: Wanted, limits: Thresholds) -> None:
    """Raises BeyondThresholds or NothingShadowed."""
    found = heard.total()
    versions = f"version {wanted.version} of {wanted.name} with version {wanted.before}"
    if decided(found, wanted, limits):
        raise BeyondThresholds(
            f"The shadows of {versions} are beyond the thresholds. {sentence(heard)}.", breaches(limits, found)
        )
    if found.seen == 0:
        other = f" The last one compared {heard.other}." if heard.other else ""
        raise NothingShadowed(
            f"No shadow has compared {versions}: is SHADOW_MODEL_URI of a running service set to its challenger, and "
            f"SHADOW_TOPIC to the topic of the subscription?{other}"
        )
    if found.compared < wanted.least:
        raise NothingShadowed(
            f"The shadows have compared {versions} for fewer than {wanted.least:,} answers. {sentence(heard)}."
        )


def breaches(limits: Thresholds, found: Tally) -> list[Breach]:
    """Where the answers of all shadows together are beyond the limits of all rows. Without a limit of their own, none of
    the challenger's answers may be an error."""
    refused = 0.0 if limits.max_refused_ratio is None else limits.max_refused_ratio
    return [
        *over(refused, ratio(found.failed, found.seen), (None, None, "max_refused_ratio")),
        *over(limits.max_flip_ratio, ratio(found.flipped, found.rows), (None, None, "max_flip_ratio")),
        *over(limits.max_unmatched_ratio, ratio(found.forms, found.compared), (None, None, "max_unmatched_ratio")),
        *over(limits.max_size, found.greatest, (None, None, "max_size")),
    ]


def ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def sentence(heard: Heard) -> str:
    found = heard.total()
    errors = ", ".join(f"{count} {code}" for code, count in sorted(found.errors.items()))
    shadows = "1 shadow" if len(heard.shadows) == 1 else f"{len(heard.shadows)} shadows"
    return (
        f"{shadows} compared {found.compared:,} answers: {found.flipped:,} of {found.rows:,} rows with a "
        f"label flip, the greatest distance is {found.greatest:.6g}, {found.forms:,} have another form, "
        f"{found.failed:,} were not given{f' ({errors})' if errors else ''}"
    )


class Ear:
    """Google's own client, on one subscription. Messages that are not acked come again."""

    def __init__(self, subscription: str) -> None:
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.pubsub_v1 import SubscriberClient

        self.subscription = subscription
        try:
            self._client = SubscriberClient()
        except GoogleAuthError as error:
            raise SubscriptionUnusable("There are no credentials of Google Cloud to pull messages with.") from error
        self._open: list[list[str]] = []

    def __enter__(self) -> Ear:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def pull(self, seconds: float) -> list[tuple[bytes, float]]:
        """What comes in about so many seconds: data, and when it was published, in seconds since 1970."""
        found = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            received = self._pull(left)
            if received:
                self._open.append([one.ack_id for one in received])
            found += [(one.message.data, one.message.publish_time.timestamp()) for one in received]
        return found

    def ack(self) -> None:
        for ack_ids in self._open:
            self._asked(self._client.acknowledge, NOTE, ack_ids=ack_ids)
        self._open.clear()

    def _pull(self, seconds: float) -> Sequence[Any]:
        answer = self._asked(self._client.pull, seconds, max_messages=MOST_MESSAGES)
        return answer.received_messages if answer is not None else ()

    def _asked(self, call: Callable[..., Any], seconds: float, **request: Any) -> Any:
        """None where Pub/Sub does not answer in time or fails: there is time to ask again, and what is not acked comes
        again."""
        from google.api_core.exceptions import GoogleAPICallError, ServerError, TooManyRequests
        from google.auth.exceptions import GoogleAuthError

        try:
            return call(request={"subscription": self.subscription, **request}, retry=None, timeout=seconds)
        except (ServerError, TooManyRequests):  # a deadline is one of the first
            time.sleep(PAUSE)
            return None
        except (GoogleAPICallError, GoogleAuthError) as error:
            raise SubscriptionUnusable(
                f"{self.subscription} cannot be pulled from: {type(error).__name__}. The same command goes on when it can."
            ) from error
