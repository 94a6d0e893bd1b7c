"""The answers of both sides as pairs of columns: every part of an answer that can differ, under one name.

It compares whole columns, because a file has millions of rows; `modelserve.payloads.differences` compares one answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from modelserve.payloads.predictions import encode
from modelserve_control.compare.stats.sketch import Floats

# Of longer lists, such as 1,000 classes, each row counts with the element that differs most.
MAX_PARTS: Final = 16
MAX_EXACT: Final = 1 << 53  # a double does not hold every whole number above


@dataclass(frozen=True)
class Numbers:
    """`difference` is B - A per row; NaN where a side has no value, 0 where both are the same infinity."""

    name: str
    a: Floats
    b: Floats
    difference: Floats


@dataclass(frozen=True)
class Labels:
    name: str
    a: Sequence[Any]
    b: Sequence[Any]
    flipped: np.ndarray[Any, np.dtype[np.bool_]]


Pair = Numbers | Labels


def build_pairs(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]], classifies: bool) -> Iterator[Pair]:
    """`a` and `b` are results of the same rows. `classifies`: `prediction` is a class, even when it is a number.

    Where both have a single output, it is compared whatever its label.
    """
    if not a:
        return
    names_a, names_b = list(a[0]), list(b[0])
    if len(names_a) == len(names_b) == 1 and names_a != names_b:
        yield from build_pair(names_b[0], [row[names_a[0]] for row in a], [row[names_b[0]] for row in b], classifies)
        return
    for name in names_a:
        if name in b[0]:
            is_label = classifies and name == "prediction"
            yield from build_pair(name, [row[name] for row in a], [row[name] for row in b], is_label)


def build_pair(name: str, a: list[Any], b: list[Any], is_label: bool = False) -> Iterator[Pair]:
    kinds = set(map(type, a)) | set(map(type, b))
    if kinds <= {int, float, type(None)} and not is_label:
        if (found := numbers(name, a, b)) is not None:
            yield found
            return
    elif kinds == {dict} and (keys := common_keys(a, b)):
        if (
            len(keys) > MAX_PARTS
            and (found := greatest_difference(name, [[[row[key] for key in keys] for row in side] for side in (a, b)]))
            is not None
        ):
            yield found
            return
        for key in keys:
            yield from build_pair(f"{name}.{key}", [row[key] for row in a], [row[key] for row in b])
        return
    elif kinds == {list} and len(sizes := {len(row) for row in (*a, *b)}) == 1 and (size := sizes.pop()):
        if size <= MAX_PARTS:
            for place in range(size):
                yield from build_pair(f"{name}[{place}]", [row[place] for row in a], [row[place] for row in b])
            return
        if (found := greatest_difference(name, [a, b])) is not None:
            yield found
            return
    yield Labels(name, a, b, np.array([differ(x, y) for x, y in zip(a, b, strict=True)], dtype=bool))


def common_keys(a: list[dict[Any, Any]], b: list[dict[Any, Any]]) -> list[Any]:
    keys = set.intersection(*(set(row) for row in (*a, *b)))
    return [key for key in a[0] if key in keys]


def numbers(name: str, a: list[Any], b: list[Any]) -> Numbers | None:
    try:
        left, right = np.array(a, dtype=float), np.array(b, dtype=float)
    except OverflowError:
        return None
    difference = subtract(left, right)
    for row in np.flatnonzero((np.abs(left) >= MAX_EXACT) | (np.abs(right) >= MAX_EXACT)):
        if type(a[row]) is int and type(b[row]) is int:
            difference[row] = b[row] - a[row]
    return Numbers(name, left, right, difference)


def subtract(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        difference: Floats = b - a
    difference[np.isinf(a) & (a == b)] = 0.0
    return difference


def greatest_difference(name: str, sides: Sequence[list[list[Any]]]) -> Numbers | None:
    """Per row the element with the greatest difference; None when not all are numbers."""
    try:
        a, b = (np.array(rows, dtype=float) for rows in sides)
    except (TypeError, ValueError, OverflowError):
        return None
    if a.ndim != 2 or a.shape != b.shape:
        return None
    differences = subtract(a, b)
    # An element that only one side has is the greatest difference.
    size = np.where(np.isnan(a) & np.isnan(b), -1.0, np.where(np.isnan(differences), np.inf, np.abs(differences)))
    place = (np.arange(len(a)), size.argmax(axis=1))
    return Numbers(f"{name}[0..{a.shape[1] - 1}]", a[place], b[place], differences[place])


def differ(a: Any, b: Any) -> bool:
    """NaN is a missing value, and two missing values are equal."""
    if a is b:
        return False
    if type(a) in (dict, list) or type(b) in (dict, list):
        return encode(a) != encode(b)
    a, b = (None if value != value else value for value in (a, b))
    return bool(a != b)
