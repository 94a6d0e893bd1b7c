"""Whether a model is trained again. `decide` is a pure function: the command calls it with what was measured, the simulation
with a year of the past.

To add a rule, add it to `decide`, read its options in policy.py, where `find_fault` must know it, and measure what it needs in
observe.py.
"""

import calendar
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta

MAX_DAYS, MAX_MONTHS = 36_500, 1_200  # a hundred years; a date has no year 10,000
Count = Annotated[int, Meta(ge=1)]
Figure = Literal["rmse", "mae", "log_loss", "auc", "accuracy", "precision", "recall"]


@dataclass(frozen=True)
class Schedule:
    """Policy A: so many days and months after the last training."""

    days: Annotated[int, Meta(ge=0, le=MAX_DAYS)] = 0
    months: Annotated[int, Meta(ge=0, le=MAX_MONTHS)] = 0


@dataclass(frozen=True)
class ErrorRule:
    """Policy B: the error of the newest `windows` is above `max`, or above `max_ratio` times that at the release, else in
    the first window. Of a `figure` of which more is better, as auc, the error is what is missing to 1. A window of fewer
    than `min_rows` labels says nothing."""

    figure: Figure
    max_ratio: Annotated[float, Meta(ge=1)] | None = None
    max: Annotated[float, Meta(gt=0)] | None = None
    windows: Count = 1
    min_rows: Count = 100


@dataclass(frozen=True)
class DriftRule:
    """Policy B: the newest `windows` have all drifted."""

    windows: Count = 3


@dataclass(frozen=True)
class Rules:
    """What a policy decides by; without any rule nothing is ever trained again."""

    schedule: Schedule | None = None
    error: ErrorRule | None = None
    drift: DriftRule | None = None


@dataclass(frozen=True)
class ErrorWindow:
    """`error` is None where it could not be measured. `fresh`: it ends after the last training, also a refused one."""

    name: str
    rows: int
    error: float | None
    fresh: bool = True


@dataclass(frozen=True)
class DriftWindow:
    name: str
    drifted: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """Of the version in use and its windows, the oldest first; without one, `trained_at` is None. It is the time of the last
    training, also of one that was refused. `released_error` is what the comparison before its release has measured on held-out rows.
    `unmeasured` has the reason of each rule for which nothing could be measured."""

    now: datetime
    trained_at: datetime | None
    released_error: float | None = None
    errors: tuple[ErrorWindow, ...] = ()
    drifts: tuple[DriftWindow, ...] = ()
    unmeasured: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """`met`: it is one to train."""

    rule: str
    met: bool
    text: str


@dataclass(frozen=True)
class Decision:
    retrain: bool
    reasons: tuple[Reason, ...]


def decide(history: History, rules: Rules) -> Decision:
    """One reason for each rule; any that is met is enough."""
    reasons = tuple(find_reasons(history, rules))
    return Decision(any(reason.met for reason in reasons), reasons)


def find_reasons(history: History, rules: Rules) -> Iterator[Reason]:
    if history.trained_at is None:
        yield Reason("first", True, "there is no version in use")
        return
    if rules.schedule is not None:
        yield check_schedule(history.now, history.trained_at, rules.schedule)
    if rules.error is not None:
        yield find_unmeasured(history, "error") or check_error(history, rules.error)
    if rules.drift is not None:
        yield find_unmeasured(history, "drift") or check_drift(history.drifts, rules.drift)


def find_unmeasured(history: History, rule: str) -> Reason | None:
    return Reason(rule, False, history.unmeasured[rule]) if rule in history.unmeasured else None


def check_schedule(now: datetime, trained_at: datetime, schedule: Schedule) -> Reason:
    due = add_months(trained_at, schedule.months) + timedelta(days=schedule.days)
    when = f"the last training was on {trained_at:%Y-%m-%d}, the next is due on {due:%Y-%m-%d}"
    return Reason("schedule", now >= due, when)


def add_months(start: datetime, months: int) -> datetime:
    """The same day of a later month, or its last day."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    last = calendar.monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(start.day, last))


def check_error(history: History, rule: ErrorRule) -> Reason:
    known = [
        (window.name, window.error, window.fresh)
        for window in history.errors
        if window.rows >= rule.min_rows and window.error is not None and math.isfinite(window.error)
    ]
    fresh = [(name, error) for name, error, is_fresh in known if is_fresh]
    if len(fresh) < rule.windows:
        since = f"since the training of {history.trained_at:%Y-%m-%d}"
        text = f"{len(fresh)} windows {since} have {rule.min_rows:,} labels, and {rule.windows} must"
        return Reason("error", False, text)
    before, since = (
        (known[0][1], known[0][0]) if history.released_error is None else (history.released_error, "release")
    )
    limits = [rule.max] if rule.max is not None else []
    limits += [before * rule.max_ratio] if rule.max_ratio is not None else []
    met = all(error > min(limits) for _, error in fresh[-rule.windows :])
    name, error = fresh[-1]
    text = f"{rule.figure} {error:.4g} in {name}, {before:.4g} at first ({since}), the limit is {min(limits):.4g}"
    return Reason("error", met, text)


def check_drift(windows: tuple[DriftWindow, ...], rule: DriftRule) -> Reason:
    held = 0
    for window in reversed(windows):
        if not window.drifted:
            break
        held += 1
    columns = f": {', '.join(windows[-1].drifted)}" if held else ""
    text = f"it has held for {held} of {len(windows)} windows, the limit is {rule.windows}{columns}"
    return Reason("drift", held >= rule.windows, text)
