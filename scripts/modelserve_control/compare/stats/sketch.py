"""The distribution of any number of values in constant memory, as in DDSketch (https://arxiv.org/abs/1908.10693).

Each bucket ends at `GROWTH` times its start, so that a quantile is off by at most one per cent of itself.
"""

import math
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ACCURACY = 0.01
GROWTH = (1 + ACCURACY) / (1 - ACCURACY)
LARGEST = math.log(sys.float_info.max) - 1e-9

Floats = NDArray[np.float64]


class Sketch:
    def __init__(self) -> None:
        self.above: Counter[int] = Counter()
        self.below: Counter[int] = Counter()
        self.zeros = 0

    @property
    def count(self) -> int:
        return self.zeros + self.above.total() + self.below.total()

    def add(self, values: Floats) -> None:
        self.zeros += int((values == 0).sum())
        for side, sizes in ((self.above, values[values > 0]), (self.below, -values[values < 0])):
            places, counts = np.unique(np.ceil(np.log(sizes) / math.log(GROWTH)).astype(int), return_counts=True)
            for place, count in zip(places.tolist(), counts.tolist(), strict=True):
                side[place] += count

    def buckets(self) -> list[tuple[float, int]]:
        below = [(-middle(place), self.below[place]) for place in sorted(self.below, reverse=True)]
        above = [(middle(place), self.above[place]) for place in sorted(self.above)]
        return [*below, *([(0.0, self.zeros)] if self.zeros else []), *above]

    def sizes(self) -> list[tuple[float, int]]:
        both = self.above + self.below
        head = [(0.0, self.zeros)] if self.zeros else []
        return head + [(middle(place), both[place]) for place in sorted(both)]


def middle(place: int) -> float:
    """Differs relatively by less than `ACCURACY` from all values in the bucket."""
    return (1 - ACCURACY) * math.exp(min(place * math.log(GROWTH), LARGEST))


def quantile(buckets: Sequence[tuple[float, int]], share: float) -> float | None:
    rank = share * (sum(count for _, count in buckets) - 1)
    seen = 0
    for value, count in buckets:
        seen += count
        if count and seen > rank:
            return value
    return None


def histogram(buckets: Sequence[tuple[float, int]], bars: int) -> list[tuple[float, float, int]]:
    """Start, end and count of bars of equal width, from the least value to the greatest; one is centred on zero."""
    if not buckets:
        return []
    low, high = min(buckets[0][0], 0.0), max(buckets[-1][0], 0.0)
    width = high / bars - low / bars or 1.0
    first, last = math.floor(low / width + 0.5), math.floor(high / width + 0.5)
    counts = dict.fromkeys(range(first, last + 1), 0)
    for value, count in buckets:
        counts[min(max(math.floor(value / width + 0.5), first), last)] += count
    return [((place - 0.5) * width, (place + 0.5) * width, count) for place, count in counts.items()]
