"""What the shadows of running services report about a version beside the one in use.

Each message has the counts of its shadow since it started, so only the largest counts of each shadow are kept: a repeated
message counts once, and a lost one is replaced by the next. Counts are in the journal before their messages are acked.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from modelserve.shadow.tally import Tally
from modelserve_control.common import provenance
from modelserve_control.common.errors import BeyondThresholds, NothingShadowed
from modelserve_control.compare.stats.thresholds import Breach, Thresholds, check_limit
from modelserve_control.deploy.release.journal import ReleaseJournal

# Seconds between two writes of the journal: Cloud Storage takes one write of an object a second,
# https://cloud.google.com/storage/quotas, and Pub/Sub waits at least ten for an ack.
WRITE_INTERVAL: Final = 5.0
# Seconds to wait for the last summaries, which shadows publish each minute.
LAST_SUMMARY: Final = 75.0
MAX_SHADOWS: Final = 2_000  # about 250 bytes each; a journal is read up to a megabyte

# Limits of a shadow's message: anything else would reduce the counts of others, or make the journal unreadable.
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Name = Annotated[str, Meta(max_length=1_024)]


@dataclass(frozen=True)
class ShadowCriteria:
    name: str
    before: str
    version: str
    manifest_sha256: str
    subscription: str
    seconds: float
    min_answers: int


class Counts(Tally):
    compared: Count
    differing: Count
    flips: Count
    greatest: Annotated[float, Meta(ge=0)]
    rows: Count
    flipped: Count
    forms: Count
    errors: Annotated[dict[Annotated[str, Meta(pattern="^[A-Z0-9_]{1,40}$")], Count], Meta(max_length=20)]


class ShadowMessage(msgspec.Struct):
    """The fields that are read of a message of `modelserve.shadow.report`."""

    model: Name
    version: Name
    shadow_model: Name
    shadow_version: Name
    shadow_manifest_sha256: Name
    shadow_id: Annotated[str, Meta(pattern="^[0-9a-z]{1,40}$")]
    so_far: Counts


@dataclass
class ShadowCounts:
    """`shadows`: the largest counts of each, by its id. `last_seen` in seconds since 1970. `other`: the versions of the
    last message that does not count."""

    shadows: dict[str, Tally]
    last_seen: dict[str, float] = field(default_factory=dict)
    other: str | None = None

    def as_document(self) -> dict[str, Any]:
        return {shadow: msgspec.structs.asdict(tally) for shadow, tally in self.shadows.items()}

    def add(self, criteria: ShadowCriteria, data: bytes, published: float) -> bool:
        try:
            message = msgspec.json.decode(data, type=ShadowMessage)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        served, shadow = (message.model, message.version), (message.shadow_model, message.shadow_version)
        expected = (criteria.name, criteria.before), (criteria.name, criteria.version)
        if (served, shadow) != expected or message.shadow_manifest_sha256 != criteria.manifest_sha256:
            self.other = f"version {served[1]} of {served[0]} with version {shadow[1]} of {shadow[0]}"
            return False
        known = self.shadows.get(message.shadow_id)
        if known is None and len(self.shadows) == MAX_SHADOWS:
            return False
        self.last_seen[message.shadow_id] = max(self.last_seen.get(message.shadow_id, 0.0), published)
        if known is not None and known.seen >= message.so_far.seen:
            return False
        self.shadows[message.shadow_id] = message.so_far
        return True

    def total(self) -> Tally:
        total = Tally()
        for tally in self.shadows.values():
            total.merge(tally)
        return total

    def all_seen_since(self, end: float) -> bool:
        return all(self.last_seen.get(shadow, 0.0) >= end for shadow in self.shadows)

    def __str__(self) -> str:
        total = self.total()
        shadows = "1 shadow" if len(self.shadows) == 1 else f"{len(self.shadows)} shadows"
        errors = ", ".join(f"{count} {code}" for code, count in sorted(total.errors.items()))
        return (
            f"{shadows} compared {total.compared:,} answers: {total.flipped:,} of {total.rows:,} rows with a "
            f"label flip, the greatest distance is {total.greatest:.6g}, {total.forms:,} have another form, "
            f"{total.failed:,} failed{f' ({errors})' if errors else ''}"
        )


def collect(journal: ReleaseJournal, criteria: ShadowCriteria, limits: Thresholds) -> ShadowCounts:
    """Returns when the time since the start is over and the last summaries have arrived, or as soon as enough answers are
    beyond the limits. A process that resumes continues with the journal's counts. Raises SubscriptionUnusable."""
    from modelserve_control.deploy.release.subscription import ShadowSubscription  # imports Google's Pub/Sub client

    if "shadow" not in journal.document:
        journal.update(shadow={"began_at": provenance.now(), "heard": {}})
    counts = ShadowCounts(msgspec.convert(journal.document["shadow"]["heard"], dict[str, Tally]))
    began_at: str = journal.document["shadow"]["began_at"]
    began = datetime.fromisoformat(began_at).timestamp()
    end = began + criteria.seconds
    until = max(end, time.time()) + LAST_SUMMARY  # messages that waited while no process pulled count too
    with ShadowSubscription(criteria.subscription) as subscription:
        while not is_refused(counts.total(), criteria, limits):
            if time.time() > end and counts.total().compared >= criteria.min_answers and counts.all_seen_since(end):
                break
            added = [counts.add(criteria, data, at) for data, at in subscription.pull(WRITE_INTERVAL) if at >= began]
            if any(added):
                journal.update(shadow={"began_at": began_at, "heard": counts.as_document()})
            subscription.ack()
            if time.time() > until:
                break
    return counts


def is_refused(total: Tally, criteria: ShadowCriteria, limits: Thresholds) -> bool:
    return total.seen >= criteria.min_answers and bool(find_breaches(limits, total))


def check(counts: ShadowCounts, criteria: ShadowCriteria, limits: Thresholds) -> None:
    total = counts.total()
    versions = f"version {criteria.version} of {criteria.name} with version {criteria.before}"
    if is_refused(total, criteria, limits):
        raise BeyondThresholds(
            f"The shadows of {versions} exceed the thresholds. {counts}.", find_breaches(limits, total)
        )
    if total.seen == 0:
        other = f" The last one compared {counts.other}." if counts.other else ""
        raise NothingShadowed(
            f"No shadow has compared {versions}: is SHADOW_MODEL_URI of a running service set to its challenger, and "
            f"SHADOW_TOPIC to the topic of the subscription?{other}"
        )
    if total.compared < criteria.min_answers:
        raise NothingShadowed(
            f"The shadows have compared {versions} for fewer than {criteria.min_answers:,} answers. {counts}."
        )


def find_breaches(limits: Thresholds, total: Tally) -> list[Breach]:
    """The answers of all shadows together against the limits of all rows. Without a limit of its own, the challenger may
    not fail once."""
    refused = 0.0 if limits.max_refused_ratio is None else limits.max_refused_ratio
    return [
        *check_limit(refused, ratio(total.failed, total.seen), (None, None, "max_refused_ratio")),
        *check_limit(limits.max_flip_ratio, ratio(total.flipped, total.rows), (None, None, "max_flip_ratio")),
        *check_limit(
            limits.max_unmatched_ratio, ratio(total.forms, total.compared), (None, None, "max_unmatched_ratio")
        ),
        *check_limit(limits.max_size, total.greatest, (None, None, "max_size")),
    ]


def ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
