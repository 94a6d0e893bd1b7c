"""How far a sample of one column is from its profile: tests with their p-values, and the size of the effect.

A test alone is no verdict: among a million rows a difference that nobody cares about is significant. `find_drift` in
`drift` asks for both.

To add a test, yield it here, add its name to `TESTS` in monitor/sections.py, and its row to the table in docs/drift.md.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from modelserve_control.monitor.stats.profile import Categories, Floats, Numbers, cumulative_counts

MAX_BINS: Final = 10
# Rows of a bin in the smaller sample. The distribution of PSI is chi-square only for bins that are not nearly empty.
MIN_BIN_ROWS: Final = 20
MIN_EXPECTED: Final = 5.0  # rows of a cell, the usual condition of the chi-square test

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """A test is a drift when its p-value, corrected for the number of tests, is at most `alpha` and its effect at least the
    limit of its kind: `distance` (of Kolmogorov-Smirnov, and half the sum of differences of shares), `psi`, `share` (of rows
    that became missing, infinite, or of a new category)."""

    alpha: float = 0.01
    distance: float = 0.05
    psi: float = 0.05
    share: float = 0.01


@dataclass(frozen=True)
class Test:
    """`effect` is compared with `limit`."""

    name: str
    statistic: float
    p: float
    effect: float
    limit: float


@dataclass(frozen=True)
class Shift:
    """`details` are figures that are reported and not tested; `bins` the counts of both samples for a plot."""

    tests: list[Test]
    details: dict[str, Any]
    bins: list[tuple[str, int, int]]


def compare_numbers(before: Numbers, values: Floats, limits: Limits) -> Shift:
    finite = np.sort(values[np.isfinite(values)])
    missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    tests = [
        share_test("missing", (before.missing, before.rows), (missing, len(values)), limits),
        share_test("infinite", (before.infinite, before.rows), (infinite, len(values)), limits),
    ]
    if not before.finite or not len(finite):
        return Shift(tests, {"psi": None, "psi_limit": None, "wasserstein": None}, [])
    edges = np.array(before.edges)
    below, at_most = cumulative_counts(finite, edges)
    n, m = before.finite, len(finite)
    distances = np.abs(
        np.concatenate([np.subtract(before.below, 0) / n - below / m, np.array(before.at_most) / n - at_most / m])
    )
    distance = float(distances.max())
    p = float(stats.kstwo.sf(distance, max(1, round(n * m / (n + m)))))
    tests.insert(0, Test("ks", distance, p, distance, limits.distance))
    names, a, b = number_bins(before, below, at_most, m)
    psi, psi_limit, test = psi_test(a, b, limits)
    tests.insert(1, test)
    details = {"psi": psi, "psi_limit": psi_limit, "wasserstein": wasserstein(before, finite, below, at_most)}
    return Shift(tests, details, list(zip(names, a.tolist(), b.tolist(), strict=True)))


def compare_categories(before: Categories, counts: Counter[str], rows: int, limits: Limits) -> Shift:
    present = counts.total()
    tests = [share_test("missing", (before.missing, before.rows), (rows - present, rows), limits)]
    n = before.rows - before.missing
    if not n or not present:
        return Shift(tests, {"psi": None, "psi_limit": None, "new": {}}, [])
    names = list(before.counts)
    a = np.array([*before.counts.values(), before.others])
    b = np.array([*(counts.get(name, 0) for name in names), 0])
    b[-1] = present - b.sum()
    pooled = pool(a, b, MIN_EXPECTED)
    distance = float(np.abs(pooled[0] / n - pooled[1] / present).sum() / 2)
    statistic, p = chi_square(*pooled)
    tests.insert(0, Test("chi2", statistic, p, distance, limits.distance))
    psi, psi_limit, test = psi_test(*pool(a, b, MIN_BIN_ROWS, MAX_BINS), limits)
    tests.insert(1, test)
    new = {name: count for name, count in counts.most_common() if name not in before.counts}
    if before.others:
        tests.append(unlisted_test(before, new, n, present, limits))
    else:
        tests.append(new_test(before, sum(new.values()), n, present, limits))
    details = {"psi": psi, "psi_limit": psi_limit, "new": {name: new[name] / present for name in list(new)[:MAX_BINS]}}
    return Shift(tests, details, list(category_bins(names, a, b)))


def share_test(name: str, before: tuple[int, int], after: tuple[int, int], limits: Limits) -> Test:
    (a, n), (b, m) = before, after
    change = abs(a / n - b / m) if n and m else 0.0
    p = float(stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue) if a or b else 1.0
    return Test(name, b / m if m else 0.0, p, change, limits.share)


def new_test(before: Categories, new: int, n: int, m: int, limits: Limits) -> Test:
    """Even an unchanged source brings categories that a sample did not have: about as often as rows of the sample were
    alone in their category (Good and Turing)."""
    singles = before.singles
    p = float(stats.fisher_exact([[new, m - new], [singles, n - singles]], "greater").pvalue) if new else 1.0
    return Test("new", new / m, p, max(0.0, new / m - singles / n), limits.share)


def unlisted_test(before: Categories, found: Mapping[str, int], n: int, m: int, limits: Limits) -> Test:
    """The most frequent category that the profile does not list: of those it had, each had at most as many rows as the last
    that it lists. Corrected for the number of categories it is the most frequent of."""
    count, most = max(found.values(), default=0), min(before.counts.values())
    p = float(stats.fisher_exact([[count, m - count], [most, n - most]], "greater").pvalue) if count else 1.0
    return Test("new", count / m, min(1.0, p * len(found)), max(0.0, count / m - most / n), limits.share)


def chi_square(a: Counts, b: Counts) -> tuple[float, float]:
    if len(a) < 2:
        return 0.0, 1.0
    found = stats.chi2_contingency([a, b], correction=False)
    return float(found.statistic), float(found.pvalue)


def psi_test(a: Counts, b: Counts, limits: Limits) -> tuple[float, float, Test]:
    """When nothing has changed, PSI is distributed as (1/n + 1/m) chi-square with B - 1 degrees of freedom."""
    n, m, bins = int(a.sum()), int(b.sum()), len(a)
    if bins < 2:
        return 0.0, 0.0, Test("psi", 0.0, 1.0, 0.0, limits.psi)
    p, q = ((part + 0.5) / (part.sum() + 0.5 * bins) for part in (a, b))  # no logarithm of zero
    psi = float(((p - q) * np.log(p / q)).sum())
    scale = 1 / n + 1 / m
    test = Test("psi", psi, float(stats.chi2.sf(psi / scale, bins - 1)), psi, limits.psi)
    return psi, max(limits.psi, scale * float(stats.chi2.isf(limits.alpha, bins - 1))), test


def pool(a: Counts, b: Counts, rows: float, most: int | None = None) -> tuple[Counts, Counts]:
    """The last cell takes all cells in which the smaller sample is expected to have fewer rows."""
    total = a[:-1] + b[:-1]
    expected = total * min(a.sum(), b.sum()) / (a.sum() + b.sum())
    keep = np.flatnonzero(expected >= rows)[: most and most - 1]
    others = [np.array([part.sum() - part[keep].sum()]) for part in (a, b)]
    if not sum(int(one[0]) for one in others):
        return a[keep], b[keep]
    return np.append(a[keep], others[0]), np.append(b[keep], others[1])


def category_bins(names: list[str], a: Counts, b: Counts) -> Iterator[tuple[str, int, int]]:
    shown = names[:MAX_BINS]
    yield from zip(shown, a.tolist(), b.tolist(), strict=False)
    others = int(a[len(shown) :].sum()), int(b[len(shown) :].sum())
    if any(others):
        yield ("(others)", *others)


def number_bins(before: Numbers, below: Counts, at_most: Counts, m: int) -> tuple[list[str], Counts, Counts]:
    """Bins of about equal counts in the profile. A value that many rows have is a bin of its own."""
    n = before.finite
    bins = int(np.clip(min(n, m) // MIN_BIN_ROWS, 2, MAX_BINS))
    ends = np.ravel(np.column_stack([before.below, before.at_most]))  # rows before and after each edge
    found = np.ravel(np.column_stack([below, at_most]))
    cuts = [0]
    for place, end in enumerate(ends.tolist()):
        if end - ends[cuts[-1]] >= n / bins and n - end >= n / bins / 2:
            cuts.append(place)
    a = np.diff([0, *(int(ends[place]) for place in cuts[1:]), n])
    b = np.diff([0, *(int(found[place]) for place in cuts[1:]), m])
    marks = [f"{'<' if place % 2 == 0 else '≤'} {before.edges[place // 2]:.4g}" for place in cuts[1:]]
    return [*marks, "above"] if marks else ["all"], a, b


def wasserstein(before: Numbers, finite: Floats, below: Counts, at_most: Counts) -> float | None:
    """In deviations of the profile; exact at the edges, linear between them, and exact beyond them."""
    if not before.deviation:
        return None
    edges, n, m = np.array(before.edges), before.finite, len(finite)
    after_edge = np.abs(np.array(before.at_most) / n - at_most / m)[:-1]
    before_next = np.abs(np.array(before.below) / n - below / m)[1:]
    inside = float((np.diff(edges) * (after_edge + before_next) / 2).sum())
    outside = float(np.maximum(finite - edges[-1], 0).mean() + np.maximum(edges[0] - finite, 0).mean())
    return (inside + outside) / before.deviation
