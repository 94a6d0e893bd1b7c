"""Whether a table has drifted from the profile of a version. `find_drift` is a pure function, which retraining calls too."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from modelserve_control.monitor.stats.profile import Column, Numbers, Profile, Values, as_numbers, count_categories
from modelserve_control.monitor.stats.shift import Limits, Shift, Test, compare_categories, compare_numbers


def find_drift(
    profile: Profile,
    columns: Mapping[str, Values],
    predictions: Mapping[str, Values],
    rows: int,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """`drift`, and each column with its tests and whether it drifted. `predictions` may have rows of their own, or none.

    A column of the profile that the table does not have counts as missing in each row.
    """
    limits = limits or Limits()
    shifts = {
        ("columns", name): compare(column, columns.get(name), rows, limits) for name, column in profile.columns.items()
    }
    for name, column in profile.predictions.items():
        if name in predictions:
            shifts["predictions", name] = compare(column, predictions[name], len(predictions[name]), limits)
    tests = [test for shift in shifts.values() for test in shift.tests]
    adjusted = iter(adjust([test.p for test in tests]))
    found: dict[str, Any] = {"columns": {}, "predictions": {}}
    for (part, name), shift in shifts.items():
        found[part][name] = describe(shift, [next(adjusted) for _ in shift.tests], limits)
    drifted = [name for part in found.values() for name, column in part.items() if column["drift"]]
    unknown = [name for name in columns if name not in profile.columns]
    head = {"drift": bool(drifted), "drifted": drifted, "rows": rows, "profile_rows": profile.rows}
    return head | {"unknown_columns": unknown, **found}


def compare(before: Column, values: Values | None, rows: int, limits: Limits) -> Shift:
    if isinstance(before, Numbers):
        numbers = None if values is None else as_numbers(values)
        return compare_numbers(before, np.full(rows, np.nan) if numbers is None else numbers, limits)
    counts = count_categories([] if values is None else values)
    return compare_categories(before, counts if counts is not None else Counter(), rows, limits)


def adjust(values: list[float]) -> list[float]:
    """Benjamini and Hochberg: p-values corrected for their number."""
    return stats.false_discovery_control(values).tolist() if values else []


def describe(shift: Shift, adjusted: list[float], limits: Limits) -> dict[str, Any]:
    tests = {
        test.name: vars(test) | {"adjusted": p, "drift": is_drift(test, p, limits)}
        for test, p in zip(shift.tests, adjusted, strict=True)
    }
    reasons = [name for name, test in tests.items() if test["drift"]]
    return {"drift": bool(reasons), "reasons": reasons, **shift.details, "tests": tests, "bins": shift.bins}


def is_drift(test: Test, adjusted: float, limits: Limits) -> bool:
    return adjusted <= limits.alpha and test.effect >= test.limit
