"""How good answers were, once the truth is known: pure functions of truth and answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from modelserve_control.monitor.stats.answers import Answers
from modelserve_control.monitor.stats.profile import Floats, Values, as_numbers, category_text

RESAMPLES: Final = 200
# Of more rows an interval is that of so many, narrowed by the square root of their share.
MAX_RESAMPLED: Final = 5_000
INTERVAL: Final = (2.5, 97.5)
CALIBRATION_BINS: Final = 10
HISTOGRAM_BINS: Final = 30
FLAT: Final = 1e-12
TINY: Final = 1e-15  # a probability of zero would make the log loss infinite

Figures = dict[str, float | None]
Rows = NDArray[np.intp]


def measure(
    truth: Values, answers: Answers, positive: str | None = None, classifies: bool | None = None
) -> dict[str, Any]:
    """`task`, `rows`, each figure with its 95 % `intervals`, and for classifiers the `calibration` by bins of probability.

    Rows whose truth or answer is missing are `left_out`. `positive` is the class of AUC, precision and recall; of two
    classes the last by default, of more they are means over the classes.
    """
    numbers = None if classifies else answers.numbers()
    actual = None if numbers is None else as_numbers(truth)
    if numbers is None or actual is None or answers.probabilities:
        return measure_labels(truth, answers, positive)
    keep = np.flatnonzero(np.isfinite(numbers) & np.isfinite(actual))
    error = numbers[keep] - actual[keep]
    found = summarise("regression", len(truth), len(keep), lambda rows: number_figures(error[rows]))
    return found | {"histogram": histogram(error)}


def number_figures(error: Floats) -> Figures:
    return {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(np.abs(error).mean()),
        "bias": float(error.mean()),
    }


def histogram(error: Floats) -> list[tuple[float, float, int]]:
    if not len(error):
        return []
    low, high = float(error.min()), float(error.max())
    if high - low <= FLAT * max(abs(low), abs(high)):  # as far as doubles tell, one value
        return [(low, high, len(error))]
    counts, edges = np.histogram(error, bins=HISTOGRAM_BINS)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))


def measure_labels(truth: Values, answers: Answers, positive: str | None) -> dict[str, Any]:
    actual = np.array([label_or_none(value) for value in truth], dtype=object)
    predicted = np.array(answers.labels(), dtype=object)
    known = np.array([a is not None and p is not None for a, p in zip(actual, predicted, strict=True)], dtype=bool)
    for values in answers.probabilities.values():
        known &= np.isfinite(values)
    keep = np.flatnonzero(known)
    actual, predicted = actual[keep].astype(str), predicted[keep].astype(str)
    classes = sorted({*answers.probabilities} or {*actual.tolist(), *predicted.tolist()})
    if positive is None and len(classes) == 2:
        positive = classes[-1]
    shares = {name: share[keep] for name, share in answers.probabilities.items()}
    found = summarise(
        "classification",
        len(truth),
        len(keep),
        lambda rows: label_figures(
            actual[rows], predicted[rows], {name: share[rows] for name, share in shares.items()}, positive
        ),
    )
    share = shares.get(positive or "")
    bins = [] if share is None else calibration_bins(actual == positive, share)
    return found | {"positive": positive, "calibration": bins}


def label_or_none(value: Any) -> str | None:
    return None if value is None or value != value else category_text(value)


def label_figures(
    actual: NDArray[np.str_], predicted: NDArray[np.str_], shares: Mapping[str, Floats], positive: str | None
) -> Figures:
    labels = None if positive is None else [positive]
    precision, recall, _, _ = metrics.precision_recall_fscore_support(
        actual, predicted, labels=labels, average="macro", zero_division=0.0
    )
    found: Figures = {"accuracy": float((actual == predicted).mean())}
    found |= {"precision": float(precision), "recall": float(recall)}
    if shares:
        found |= {"auc": auc(actual, shares, positive), "log_loss": log_loss(actual, shares)}
    if positive is not None and positive in shares:
        found["calibration_error"] = calibration_error(calibration_bins(actual == positive, shares[positive]))
    return found


def auc(actual: NDArray[np.str_], shares: Mapping[str, Floats], positive: str | None) -> float | None:
    """Of several classes the mean of each against the others; None while only one class was seen."""
    names = [
        name for name in ([positive] if positive in shares else shares) if 0 < (actual == name).sum() < len(actual)
    ]
    areas = [float(metrics.roc_auc_score(actual == name, shares[str(name)])) for name in names]
    return float(np.mean(areas)) if areas else None


def log_loss(actual: NDArray[np.str_], shares: Mapping[str, Floats]) -> float:
    """A class that the model does not know has the probability 0."""
    given = np.zeros(len(actual))
    for name, share in shares.items():
        given = np.where(actual == name, share, given)
    return float(-np.log(np.clip(given, TINY, 1)).mean())


def calibration_bins(actual: NDArray[np.bool_], share: Floats) -> list[dict[str, float]]:
    """By tenths of the probability: rows, its mean, and how many were so."""
    place = np.minimum((share * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins = [np.flatnonzero(place == number) for number in np.unique(place)]
    return [
        {"rows": len(rows), "predicted": float(share[rows].mean()), "actual": float(actual[rows].mean())}
        for rows in bins
    ]


def calibration_error(bins: Sequence[Mapping[str, float]]) -> float:
    """The mean distance of the bins, weighted by their rows."""
    return sum(one["rows"] * abs(one["predicted"] - one["actual"]) for one in bins) / sum(one["rows"] for one in bins)


# --- intervals ---


def summarise(task: str, rows: int, kept: int, figures: Callable[[Rows], Figures]) -> dict[str, Any]:
    found: dict[str, Any] = {"task": task, "rows": kept, "left_out": rows - kept}
    if not kept:
        return found | {"figures": {}, "intervals": {}}
    point = figures(np.arange(kept))
    return found | {"figures": point, "intervals": intervals(point, kept, figures)}


def intervals(point: Figures, rows: int, figures: Callable[[Rows], Figures]) -> dict[str, list[float] | None]:
    """The 95 % intervals of the bootstrap. Seeded: the same rows give the same intervals."""
    generator = np.random.default_rng(0)
    size = min(rows, MAX_RESAMPLED)
    drawn = [figures(generator.integers(0, rows, size)) for _ in range(RESAMPLES)]
    narrow = np.sqrt(size / rows)
    found: dict[str, list[float] | None] = {}
    for name, value in point.items():
        values = [one[name] for one in drawn if one[name] is not None]
        if value is None or not values:
            found[name] = None
            continue
        low, high = np.percentile(np.array(values, dtype=float), INTERVAL)
        # Around the figure itself: with few rows drawn, the middle of the drawn figures may be off.
        found[name] = [float(value + narrow * (end - value)) for end in (low, high)]
    return found
