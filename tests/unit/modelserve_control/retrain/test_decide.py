"""When it is decided to train, as a table, and what holds of every decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserve_control.retrain.decide import (
    DriftRule,
    DriftWindow,
    ErrorRule,
    ErrorWindow,
    History,
    Rules,
    Schedule,
    add_months,
    decide,
)

START = datetime(2026, 1, 31, 3, tzinfo=UTC)
RELATIVE = ErrorRule("rmse", max_ratio=1.1)
ABSOLUTE = ErrorRule("rmse", max=12.0)


def errors(*values: float | None, rows: int = 100) -> tuple[ErrorWindow, ...]:
    return tuple(ErrorWindow(f"day {place}", rows, value) for place, value in enumerate(values))


def stale(*values: float) -> tuple[ErrorWindow, ...]:
    """Of the version in use, before the last training."""
    return tuple(replace(window, fresh=False) for window in errors(*values))


def drifts(*found: str) -> tuple[DriftWindow, ...]:
    """One window for each text, drifted in the columns that it names."""
    return tuple(DriftWindow(f"day {place}", tuple(text.split())) for place, text in enumerate(found))


def history(days: float = 1, **fields: Any) -> History:
    return History(START + timedelta(days=days), START, **fields)


@pytest.mark.parametrize(
    ("rules", "known", "expected"),
    [
        (Rules(), history(9_999, errors=errors(1, 99), drifts=drifts("a", "a", "a")), False),
        (Rules(schedule=Schedule(days=7)), history(6.9), False),
        (Rules(schedule=Schedule(days=7)), history(7), True),
        (Rules(schedule=Schedule(months=1)), history(27.9), False),
        (Rules(schedule=Schedule(months=1)), history(28), True),  # the last of January, the last of February
        (Rules(error=RELATIVE), history(), False),
        (Rules(error=RELATIVE), history(released_error=10, errors=errors(10.9)), False),
        (Rules(error=RELATIVE), history(released_error=10, errors=errors(11.1)), True),
        (Rules(error=RELATIVE), history(errors=errors(99)), False),  # the first window is what it is compared with
        (Rules(error=RELATIVE), history(errors=errors(10, 11.1)), True),
        (Rules(error=RELATIVE), history(errors=errors(10, 99, 10)), False),  # the newest counts
        (Rules(error=RELATIVE), history(released_error=10, errors=errors(99, rows=99)), False),
        (Rules(error=RELATIVE), history(released_error=10, errors=errors(99, None, float("nan"))), True),
        (Rules(error=RELATIVE), history(errors=(*stale(10), *errors(11.1))), True),  # after a training that was refused
        (Rules(error=RELATIVE), history(errors=(*stale(10, 99), *errors(10))), False),
        (Rules(error=RELATIVE), history(errors=stale(10, 99)), False),
        (Rules(error=ABSOLUTE), history(errors=errors(12.1)), True),
        (Rules(error=ABSOLUTE), history(errors=errors(12.0)), False),
        (Rules(error=ErrorRule("rmse", 2.0, 12.0)), history(released_error=10, errors=errors(13)), True),
        (Rules(error=ErrorRule("rmse", 1.1, 12.0)), history(released_error=10, errors=errors(11.5)), True),
        (Rules(error=ErrorRule("rmse", max=12.0, windows=2)), history(errors=errors(13)), False),
        (Rules(error=ErrorRule("rmse", max=12.0, windows=2)), history(errors=errors(11, 13)), False),
        (Rules(error=ErrorRule("rmse", max=12.0, windows=2)), history(errors=errors(13, 13)), True),
        (Rules(drift=DriftRule(2)), history(drifts=drifts("a")), False),
        (Rules(drift=DriftRule(2)), history(drifts=drifts("a", "b")), True),
        (Rules(drift=DriftRule(2)), history(drifts=drifts("a", "a", "")), False),
        (Rules(Schedule(days=7), RELATIVE, DriftRule(1)), history(drifts=drifts("a")), True),  # one rule is enough
        (Rules(Schedule(days=7), RELATIVE, DriftRule(1)), History(START, None), True),  # no version in use
    ],
)
def test_a_decision(rules: Rules, known: History, expected: bool) -> None:
    assert decide(known, rules).retrain is expected


def test_a_rule_that_nothing_could_be_measured_for_says_why() -> None:
    known = history(errors=errors(rows=99), unmeasured={"drift": "The rows end before"})
    reasons = decide(known, Rules(error=RELATIVE, drift=DriftRule(1))).reasons
    assert [(reason.met, reason.text) for reason in reasons] == [
        (False, "0 windows since the training of 2026-01-31 have 100 labels, and 1 must"),
        (False, "The rows end before"),
    ]


def test_the_reasons_name_figures_windows_and_limits() -> None:
    known = history(released_error=10, errors=errors(10.5, 11.5), drifts=drifts("", "miles place"))
    reasons = decide(known, Rules(Schedule(months=1), RELATIVE, DriftRule(2))).reasons
    assert [(reason.rule, reason.met) for reason in reasons] == [("schedule", False), ("error", True), ("drift", False)]
    assert [reason.text for reason in reasons] == [
        "the last training was on 2026-01-31, the next is due on 2026-02-28",
        "rmse 11.5 in day 1, 10 at first (release), the limit is 11",
        "it has held for 1 of 2 windows, the limit is 2: miles, place",
    ]


errors_of_any_size = st.lists(st.floats(0, 100), max_size=6).map(lambda values: errors(*values))
windows_of_drift = st.lists(st.sampled_from(["", "a"]), max_size=6).map(lambda found: drifts(*found))
rules_of_error = st.builds(
    ErrorRule, st.just("rmse"), st.none() | st.floats(1, 3), st.floats(1, 50), st.integers(1, 3), st.just(100)
)


@given(rules_of_error, st.integers(1, 4), st.integers(1, 90), errors_of_any_size, windows_of_drift, st.floats(0, 100))
def test_any_rule_that_is_met_is_a_yes_and_each_has_its_reason(
    error: ErrorRule, held: int, days: int, known: Any, found: Any, age: float
) -> None:
    rules = Rules(Schedule(days=days), error, DriftRule(held))
    every = history(age, released_error=10, errors=known, drifts=found)
    decision = decide(every, rules)
    alone = [decide(every, Rules(**{name: getattr(rules, name)})).retrain for name in ("schedule", "error", "drift")]
    assert decision.retrain is any(alone)
    assert [reason.met for reason in decision.reasons] == alone


@given(rules_of_error, errors_of_any_size, st.floats(0, 100), st.floats(0, 100))
def test_a_greater_error_never_turns_a_yes_into_a_no(rule: ErrorRule, known: Any, newest: float, more: float) -> None:
    def retrain(error: float) -> bool:
        series = (*known, ErrorWindow("newest", 100, error))
        return decide(history(released_error=10, errors=series), Rules(error=rule)).retrain

    assert retrain(newest + more) or not retrain(newest)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(0, 60))
def test_months_later_is_that_month_and_never_after_the_same_day(start: datetime, months: int) -> None:
    later = add_months(start, months)
    assert (later.year * 12 + later.month) - (start.year * 12 + start.month) == months
    assert later.day <= start.day
    assert later.day == start.day or (later + timedelta(days=1)).day == 1
