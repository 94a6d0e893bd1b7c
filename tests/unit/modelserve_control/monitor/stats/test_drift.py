"""Drift is found where there is some, and rarely where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from modelserve_control.monitor.stats.drift import find_drift
from modelserve_control.monitor.stats.profile import build_profile
from modelserve_control.monitor.stats.shift import Limits

ROWS = 10_000
PLACES = np.array(["north", "south", "east", "west", "here", "there"], dtype=object)
# No effect is too small: the p-values alone decide.
TESTS_ALONE = Limits(distance=0, psi=0, share=0)

Columns = dict[str, Any]
Random = np.random.Generator


def draw(random: Random, rows: int) -> Columns:
    amount = random.normal(50, 10, rows)
    amount[random.random(rows) < 0.03] = np.nan
    return {
        "amount": amount,
        "skewed": random.lognormal(size=rows),
        "count": random.poisson(3, rows),
        "flag": random.random(rows) < 0.1,
        "place": random.choice(PLACES, rows, p=(0.5, 0.3, 0.1, 0.07, 0.02, 0.01)),
        "constant": np.ones(rows),
    }


def find_drifting(before: Columns, after: Columns, limits: Limits | None = None) -> dict[str, list[str]]:
    """The reasons of each column that drifted."""
    rows = [len(next(iter(columns.values()))) for columns in (before, after)]
    found = find_drift(build_profile(before, {}, rows[0]), after, {}, rows[1], limits)
    assert found["drift"] == bool(found["drifted"])
    return {name: column["reasons"] for name, column in found["columns"].items() if column["drift"]}


def test_samples_of_one_distribution_raise_at_most_two_false_alarms_in_a_hundred() -> None:
    random = np.random.default_rng(7)
    sizes = [100, 300, 1_000, 3_000, 10_000] * 78 + [100_000] * 8 + [1_000_000] * 2
    random.shuffle(sizes)
    alarms = [
        bool(find_drifting(draw(random, before), draw(random, after), limits))
        for limits in (None, TESTS_ALONE)
        for before, after in zip(sizes[::2], sizes[1::2], strict=True)
        if limits is None or (before < 10_000 and after < 10_000)
    ]
    assert sum(alarms[:200]) <= 4
    # Neither without the limits of the effects: the p-values are what they say.
    assert sum(alarms[200:]) <= 5 < len(alarms[200:]) / 20


def change(name: str, edit: Callable[[Any, Random], Any]) -> tuple[str, Callable[[Columns, Random], Columns]]:
    return name, lambda columns, random: columns | {name: edit(columns[name], random)}


def replace_share(share: float, value: Any) -> Callable[[Any, Random], Any]:
    def edit(values: Any, random: Random) -> Any:
        found = values.astype(object) if value is None else values.copy()
        found[random.random(len(values)) < share] = value
        return found

    return edit


@pytest.mark.parametrize(
    ("shift", "reason"),
    [
        (change("amount", lambda values, _: values + 2), "ks"),
        (change("amount", lambda values, _: 50 + (values - 50) * 1.4), "psi"),
        (change("amount", replace_share(0.05, np.nan)), "missing"),
        (change("amount", replace_share(0.02, np.inf)), "infinite"),
        (change("skewed", lambda values, _: values * 1.2), "ks"),
        (change("skewed", replace_share(0.1, 30.0)), "psi"),
        (change("count", lambda values, _: values + 1), "ks"),
        (change("flag", lambda values, random: random.random(len(values)) < 0.2), "chi2"),
        (change("place", replace_share(0.1, "east")), "chi2"),
        (change("place", replace_share(0.02, "nowhere")), "new"),
        (change("place", replace_share(0.05, None)), "missing"),
        (change("constant", lambda values, _: values - 1), "ks"),
    ],
)
def test_planted_shifts_are_found_in_their_column_and_nowhere_else(shift: Any, reason: str) -> None:
    random = np.random.default_rng(3)
    before, after = draw(random, ROWS), draw(random, ROWS)
    name, edit = shift
    found = find_drifting(before, edit(after, random))
    assert found.keys() == {name}
    assert reason in found[name]


def test_a_difference_that_matters_to_nobody_is_no_drift_among_a_million_rows() -> None:
    random = np.random.default_rng(3)
    before, after = random.normal(size=1_000_000), random.normal(0.02, size=1_000_000)
    assert find_drifting({"x": before}, {"x": after}, TESTS_ALONE) == {"x": ["ks", "psi"]}
    assert find_drifting({"x": before}, {"x": after}) == {}


def test_a_column_of_fifty_thousand_categories_always_brings_new_ones() -> None:
    random = np.random.default_rng(3)

    def ids(most: int) -> Columns:
        return {"id": random.integers(0, most, 60_000).astype(str).astype(object)}

    before = ids(50_000)
    profile = build_profile(before, {}, 60_000)
    assert len(profile.columns["id"].counts) == 1_000  # type: ignore[union-attr]  # it is a column of categories
    assert profile.columns["id"].distinct > 30_000  # type: ignore[union-attr]  # the same
    assert find_drifting(before, ids(50_000)) == {}
    assert find_drifting(before, {"id": np.array(["1"] * 60_000, dtype=object)}).keys() == {"id"}
    few = {"id": random.zipf(1.8, 3_000).astype(str).astype(object)}
    assert find_drifting(few, {"id": random.zipf(1.8, 3_000).astype(str).astype(object)}) == {}


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        ([], [], {}),
        ([], [1.0] * 100, {}),
        ([None] * 100, [None] * 100, {}),
        ([1.0] * 100, [None] * 100, {"x": ["missing"]}),
        ([np.inf] * 100, [np.inf] * 100, {}),
        ([1.0, np.inf, np.nan] * 100, [1.0, np.nan, -np.inf] * 100, {}),
        ([1.0] * 100, ["text"] * 100, {"x": ["missing"]}),
        (["text"] * 100, [1] * 100, {"x": ["chi2", "psi", "new"]}),
        ([[1, 2]] * 100, [1.0] * 100, {}),
        ([1e308, -1e308] * 100, [1e308, -1e308] * 100, {}),
    ],
)
def test_columns_without_numbers_are_no_error(before: Any, after: Any, reasons: Mapping[str, Any]) -> None:
    assert find_drifting({"x": before}, {"x": after}) == reasons


def test_a_column_that_is_gone_is_missing_in_every_row() -> None:
    rows = {"x": [1.0] * 100, "y": [2.0] * 100}
    assert find_drifting(rows, {"y": [2.0] * 100}) == {"x": ["missing"]}
