"""What the columns of a table look like: counts, quantiles of numbers and shares of categories, in a few kilobytes each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelserve.core.errors import ArtifactCorrupt
from modelserve.payloads.predictions import label_text
from modelserve.schema.types import MISSING

FILE: Final = "profile.json"  # in the directory of the version
QUANTILES: Final = 101  # the percentiles
MAX_CATEGORIES: Final = 1_000  # the most frequent; the others are counted together
MAX_TEXT: Final = 200  # characters of a category

Floats = NDArray[np.float64]
Values = Sequence[Any] | NDArray[Any]


class Numbers(msgspec.Struct, tag="number", tag_field="kind", frozen=True, kw_only=True):
    """`edges` are the percentiles of the finite values, each once; `below` and `at_most` count the values < and <= each.

    Exact counts at each edge keep a value that many rows have apart from its neighbours.
    """

    rows: int
    missing: int
    infinite: int
    mean: float | None
    deviation: float | None
    edges: list[float]
    below: list[int]
    at_most: list[int]

    @property
    def finite(self) -> int:
        return self.rows - self.missing - self.infinite


class Categories(msgspec.Struct, tag="category", tag_field="kind", frozen=True, kw_only=True):
    """`counts` of the most frequent categories; `others` rows have one of the rest. `singles`: categories of one row."""

    rows: int
    missing: int
    counts: dict[str, int]
    others: int
    distinct: int
    singles: int


Column = Numbers | Categories


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`predictions` has the columns of the model's own answers to the rows."""

    format: int = 1
    rows: int
    columns: dict[str, Column]
    predictions: dict[str, Column] = {}


def build_profile(columns: Mapping[str, Values], predictions: Mapping[str, Values], rows: int) -> Profile:
    """Columns of arrays and objects are left out."""
    return Profile(rows=rows, columns=profile_columns(columns), predictions=profile_columns(predictions))


def encode_profile(profile: Profile) -> bytes:
    return msgspec.json.encode(profile)


def decode_profile(data: bytes) -> Profile:
    try:
        return msgspec.json.decode(data, type=Profile)
    except msgspec.DecodeError as error:
        raise ArtifactCorrupt(f"{FILE} is not a profile: {error}; publish the version again with --data.") from error


def profile_columns(columns: Mapping[str, Values]) -> dict[str, Column]:
    found = {name: profile_column(values) for name, values in columns.items()}
    return {name: column for name, column in found.items() if column is not None}


def profile_column(values: Values) -> Column | None:
    if (numbers := as_numbers(values)) is not None:
        return profile_numbers(numbers)
    if (counts := count_categories(values)) is not None:
        return profile_categories(counts, len(values))
    return None


def profile_numbers(values: Floats) -> Numbers:
    finite = np.sort(values[np.isfinite(values)])
    places = np.linspace(0, len(finite) - 1, QUANTILES).round().astype(int)
    edges = np.unique(finite[places]) if len(finite) else finite
    below, at_most = cumulative_counts(finite, edges)
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the greatest
        mean, deviation = (float(finite.mean()), float(finite.std())) if len(finite) else (np.nan, np.nan)
    return Numbers(
        rows=len(values),
        missing=int(np.isnan(values).sum()),
        infinite=int(np.isinf(values).sum()),
        mean=mean if np.isfinite(mean) else None,
        deviation=deviation if np.isfinite(deviation) else None,
        edges=edges.tolist(),
        below=below.tolist(),
        at_most=at_most.tolist(),
    )


def cumulative_counts(ordered: Floats, edges: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.searchsorted(ordered, edges, "left"), np.searchsorted(ordered, edges, "right")


def profile_categories(counts: Counter[str], rows: int) -> Categories:
    present = counts.total()
    listed = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_CATEGORIES])
    return Categories(
        rows=rows,
        missing=rows - present,
        counts=listed,
        others=present - sum(listed.values()),
        distinct=len(counts),
        singles=sum(count == 1 for count in counts.values()),
    )


# --- values ---


def as_numbers(values: Values) -> Floats | None:
    """NaN for missing values; seconds for times. None when not all are numbers."""
    array = values if isinstance(values, np.ndarray) else None
    if array is None or array.dtype == object:
        kinds = set(map(type, values)) - {type(None), type(MISSING)}
        if not kinds or not all(
            issubclass(kind, (int, float, Decimal, np.number)) and kind is not bool for kind in kinds
        ):
            return None
        return np.array([np.nan if value is None or value is MISSING else float(value) for value in values])
    if array.ndim != 1 or array.dtype.kind not in "iufM":
        return None
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[us]").astype(np.float64) / 1e6
        return np.where(np.isnat(array), np.nan, seconds)
    return array.astype(np.float64)


def count_categories(values: Values) -> Counter[str] | None:
    """Without missing values. None when some are arrays or objects."""
    array = values.tolist() if isinstance(values, np.ndarray) else values
    try:
        found = Counter(array)
    except TypeError:
        return None
    counts: Counter[str] = Counter()
    for value, count in found.items():
        if value is not None and value is not MISSING and value == value:
            counts[category_text(value)] += count
    return counts


def category_text(value: Any) -> str:
    return label_text(value)[:MAX_TEXT]
