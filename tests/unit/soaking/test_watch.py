"""The criteria for a growing process."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from soaking.load import Observations
from soaking.report import Report
from soaking.watch import Moment, Watch, growth

MINUTES = 2


def moments(kib_a_minute: float, descriptors: int = 0) -> list[Moment]:
    """One moment per second with noise and outliers. The first half is lower, as during a warm-up."""
    dice = random.Random(1)
    found = []
    for second in range(MINUTES * 60):
        noise = dice.uniform(-300, 300) + (5_000 if second % 17 == 0 else 0) - (20_000 if second < 55 else 0)
        found.append(Moment(second, 100_000 + kib_a_minute * second / 60 + noise, 20 + descriptors * second // 119, 9))
    return found


def findings(found: list[Moment]) -> list[str]:
    watch = Watch({"server": os.getpid()}, {"server 0": found})
    seen = Observations(versions=Counter({"1": 1, "2": 1}))
    return Report(seen, watch, Counter(), MINUTES * 60).findings()


def test_noise_and_outliers_are_not_growth() -> None:
    assert findings(moments(0)) == []


@pytest.mark.parametrize("kib_a_minute", [5_000, 10_000])
def test_a_growing_process_is_named_with_its_slope(kib_a_minute: float) -> None:
    one = growth(moments(kib_a_minute), 0.5)
    assert one.slope == pytest.approx(kib_a_minute, rel=0.2)
    assert one.minutes == pytest.approx(MINUTES / 2, rel=0.05)
    (line,) = findings(moments(kib_a_minute))
    assert line.startswith("server 0 grows by ")


def test_leaked_descriptors_are_named() -> None:
    assert findings(moments(0, descriptors=20)) == ["server 0 has 7 more descriptors"]
