"""Counts of pairs of answers, in the same memory for ten million rows as for ten."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from modelserve.payloads.predictions import encode
from modelserve_control.compare.stats import pairs
from modelserve_control.compare.stats.sketch import Sketch, histogram, quantile

BARS: Final = 41  # of a histogram
SHARES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SIZES: Final = (0.5, 0.9, 0.95, 0.99, 0.999)
# A model that answers in free text may have as many kinds of flips as rows.
MAX_KINDS, MAX_EXAMPLES, MAX_TEXT, MAX_REASON = 100, 20, 80, 300
OTHERS: Final = "(others)"

Mask = NDArray[np.bool_]


class NumberTally:
    def __init__(self) -> None:
        self.compared = self.equal = self.only_a = self.only_b = self.infinite = 0
        self.total = self.size = 0.0
        self.greatest: dict[str, Any] | None = None
        self.sketch = Sketch()

    def add(self, pair: pairs.Numbers, rows: NDArray[np.int64], mask: Mask) -> None:
        a, b, difference = pair.a[mask], pair.b[mask], pair.difference[mask]
        self.compared += len(a)
        self.only_a += int((~np.isnan(a) & np.isnan(b)).sum())
        self.only_b += int((np.isnan(a) & ~np.isnan(b)).sum())
        self.equal += int(((difference == 0) | (np.isnan(a) & np.isnan(b))).sum())
        self.infinite += int(np.isinf(difference).sum())
        finite = difference[np.isfinite(difference)]
        self.total += float(finite.sum())
        self.size += float(np.abs(finite).sum())
        self.sketch.add(finite)
        size = np.where(np.isnan(a) != np.isnan(b), np.inf, np.abs(difference))
        if not np.isnan(size).all():
            place = int(np.nanargmax(size))
            found = float(size[place])
            if self.greatest is None or found > self.greatest["size"]:
                row = int(rows[mask][place])
                self.greatest = {"size": found, "row": row, "a": float(a[place]), "b": float(b[place])}

    def result(self) -> dict[str, Any]:
        """Differences are B - A, sizes are without the sign; the means are of finite differences.

        Where only one side has a value, the size is infinite.
        """
        count = self.sketch.count
        apart = self.infinite + self.only_a + self.only_b
        none = math.inf if apart else None
        buckets, sizes = self.sketch.buckets(), [*self.sketch.sizes(), (math.inf, apart)]
        most = self.greatest["size"] if self.greatest else math.inf
        return {
            "compared": self.compared,
            "equal": self.equal,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "infinite": self.infinite,
            "mean": self.total / count if count else none,
            "mean_size": self.size / count if count else none,
            "greatest": self.greatest,
            "quantiles": {f"{share:g}": clamp(quantile(buckets, share), most) for share in SHARES},
            "size_quantiles": {f"{share:g}": clamp(quantile(sizes, share), most) for share in SIZES},
            "histogram": histogram(buckets, BARS),
        }


def clamp(value: float | None, most: float) -> float | None:
    """A quantile is off by one per cent, and yet no difference is beyond the greatest."""
    return None if value is None else max(-most, min(value, most))


class LabelTally:
    def __init__(self) -> None:
        self.compared = self.flips = 0
        self.transitions: Counter[tuple[str, str]] = Counter()
        self.rows: list[int] = []

    def add(self, pair: pairs.Labels, rows: NDArray[np.int64], mask: Mask) -> None:
        flipped = np.flatnonzero(pair.flipped & mask)
        self.compared += int(mask.sum())
        self.flips += len(flipped)
        self.rows += rows[flipped[: max(0, MAX_EXAMPLES - len(self.rows))]].tolist()
        for place in flipped.tolist():
            count(self.transitions, (text(pair.a[place]), text(pair.b[place])), (OTHERS, OTHERS))

    def result(self) -> dict[str, Any]:
        found = sorted(self.transitions.items(), key=lambda item: (-item[1], item[0]))
        return {
            "compared": self.compared,
            "flips": self.flips,
            "flip_ratio": self.flips / self.compared if self.compared else None,
            "transitions": [{"a": a, "b": b, "rows": rows} for (a, b), rows in found],
            "rows": self.rows,
        }


class Tally:
    def __init__(self) -> None:
        self.rows = self.compared = self.refused_a = self.refused_b = self.refused_both = 0
        self.numbers: dict[str, NumberTally] = {}
        self.labels: dict[str, LabelTally] = {}
        self.alone: tuple[list[float], list[float]] = ([], [])

    def count(self, refused_a: Mask, refused_b: Mask, mask: Mask) -> None:
        self.rows += int(mask.sum())
        self.compared += int((mask & ~refused_a & ~refused_b).sum())
        self.refused_a += int((mask & refused_a & ~refused_b).sum())
        self.refused_b += int((mask & ~refused_a & refused_b).sum())
        self.refused_both += int((mask & refused_a & refused_b).sum())

    def add(self, pair: pairs.Pair, rows: NDArray[np.int64], mask: Mask) -> None:
        if isinstance(pair, pairs.Numbers):
            self.numbers.setdefault(pair.name, NumberTally()).add(pair, rows, mask)
        else:
            self.labels.setdefault(pair.name, LabelTally()).add(pair, rows, mask)

    def result(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "compared": self.compared,
            "refused": {"only_a": self.refused_a, "only_b": self.refused_b, "both": self.refused_both},
            "labels": {name: found.result() for name, found in self.labels.items()},
            "numbers": {name: found.result() for name, found in self.numbers.items()},
            "latency": {"a": milliseconds(self.alone[0]), "b": milliseconds(self.alone[1])},
        }


class Reasons:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.named: list[dict[str, Any]] = []

    def add(self, refused: Mapping[int, str]) -> None:
        for row, reason in refused.items():
            count(self.counts, text(reason, MAX_REASON), OTHERS)
            if len(self.named) < MAX_KINDS:
                self.named.append({"row": row, "reason": text(reason, MAX_REASON)})

    def result(self) -> dict[str, Any]:
        found = [{"reason": reason, "rows": rows} for reason, rows in self.counts.most_common()]
        return {"reasons": found, "named": self.named}


def count(counts: Counter[Any], key: Any, others: Any) -> None:
    counts[key if key in counts or len(counts) < MAX_KINDS else others] += 1


def text(value: Any, limit: int = MAX_TEXT) -> str:
    found = value if isinstance(value, str) else encode(value).decode()
    return found if len(found) <= limit else f"{found[: limit - 3]}..."


def milliseconds(seconds: Sequence[float]) -> dict[str, Any]:
    if not seconds:
        return {"rows": 0, "p50": None, "p95": None, "p99": None}
    middle, high, highest = (float(value) * 1e3 for value in np.quantile(seconds, (0.5, 0.95, 0.99)))
    return {"rows": len(seconds), "p50": round(middle, 4), "p95": round(high, 4), "p99": round(highest, 4)}
