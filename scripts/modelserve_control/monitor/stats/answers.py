"""The answers of a model as columns, under the same names wherever they come from: `prediction`, and `probability_CLASS`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from modelserve_control.monitor.stats.profile import Floats, Values, as_numbers, category_text

PREDICTION, PROBABILITY = "prediction", "probability_"
MAX_CLASSES: Final = 20  # whose probabilities are columns


@dataclass(frozen=True)
class Answers:
    """One per row. `probabilities` by class, for a classifier that has them."""

    predictions: Values
    probabilities: Mapping[str, Floats] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        shares = {PROBABILITY + name: share for name, share in self.probabilities.items()}
        return {PREDICTION: self.predictions, **(shares if len(shares) <= MAX_CLASSES else {})}

    def labels(self) -> list[str | None]:
        return [None if value is None else category_text(value) for value in self.predictions]

    def numbers(self) -> Floats | None:
        return as_numbers(self.predictions)


def collect_answers(results: Sequence[Mapping[str, Any]]) -> Answers:
    """Of result objects, as the plain form answers. A row without a result is an empty object."""
    classes = next((list(row["probabilities"]) for row in results if "probabilities" in row), [])
    shares = {
        str(name): np.array([row.get("probabilities", {}).get(name, np.nan) for row in results], dtype=float)
        for name in classes
    }
    return Answers([first_value(row) for row in results], shares)


def first_value(row: Mapping[str, Any]) -> Any:
    """The prediction stands under its name, or under the label of the version."""
    return row[PREDICTION] if PREDICTION in row else next(iter(row.values()), None)


def read_answers(columns: Mapping[str, Any]) -> Answers | None:
    """Of a table of scored rows; None when it has no predictions."""
    if PREDICTION not in columns:
        return None
    shares = {
        name.removeprefix(PROBABILITY): numbers
        for name, values in columns.items()
        if name.startswith(PROBABILITY) and (numbers := as_numbers(values)) is not None
    }
    return Answers(columns[PREDICTION], shares)
