"""Quantiles from counts, against numpy's from all values."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

from modelserve_control.compare.stats.sketch import ACCURACY, Floats, Sketch, histogram, quantile

RANDOM = np.random.default_rng(7)
SHARES = (0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0)


def sketched(*parts: Floats) -> Sketch:
    sketch = Sketch()
    for part in parts:
        sketch.add(part)
    return sketch


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.normal(size=20_001),
        RANDOM.lognormal(sigma=8, size=20_001),
        -RANDOM.lognormal(sigma=2, size=20_001),
        np.concatenate([np.zeros(15_000), RANDOM.normal(size=5_001) * 1e-12]),
        np.array([3.5]),
    ],
    ids=["normal", "wide", "negative", "mostly zero", "one"],
)
def test_a_quantile_is_off_by_one_per_cent_of_itself_at_most(values: Floats) -> None:
    buckets = sketched(*np.array_split(values, 7)).buckets()
    assert sum(count for _, count in buckets) == len(values)
    assert buckets == sorted(buckets)
    for share in SHARES:
        true = float(np.quantile(values, share, method="lower"))
        assert quantile(buckets, share) == pytest.approx(true, rel=ACCURACY * 1.001, abs=0)


def test_sizes_have_no_sign() -> None:
    values = RANDOM.normal(size=5_001)
    sizes = sketched(values).sizes()
    assert quantile(sizes, 0.95) == pytest.approx(float(np.quantile(abs(values), 0.95, method="lower")), rel=ACCURACY)


def test_it_stays_as_small_for_many_values_as_for_few() -> None:
    sketch = sketched(*(RANDOM.normal(size=10_000) for _ in range(100)))
    assert sketch.count == 1_000_000
    assert len(sketch.buckets()) < 3_000


def test_the_least_and_the_greatest_numbers_have_their_places() -> None:
    values = np.array([-sys.float_info.max, -5e-324, 0.0, 5e-324, sys.float_info.max])
    sketch = sketched(values)
    assert [count for _, count in sketch.buckets()] == [1] * 5
    assert sum(count for *_, count in histogram(sketch.buckets(), 11)) == 5


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile(Sketch().buckets(), 0.5) is None
    assert histogram(Sketch().buckets(), 11) == []


def test_a_histogram_has_every_value_between_its_ends_and_one_bar_around_zero() -> None:
    bars = histogram(sketched(np.concatenate([np.zeros(10), np.linspace(-1, 3, 401)])).buckets(), 41)
    assert sum(count for *_, count in bars) == 411
    assert [(start, end) for start, end, _ in bars if start < 0 < end]
    assert bars[0][0] <= -1
    assert bars[-1][1] >= 3
    assert all(end == pytest.approx(after) for (_, end, _), (after, _, _) in pairwise(bars))
