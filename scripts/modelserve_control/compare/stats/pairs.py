"""The answers of both sides brought together: every part of an answer that can differ, as two lists under one name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from modelserve.payloads.predictions import encode
from modelserve_control.compare.stats.sketch import Floats

# Of longer lists, as of 768 dimensions or 1,000 classes, each row counts with the element that differs most.
PARTS: Final = 16
EXACT: Final = 1 << 53  # above, a double does not keep every whole number


@dataclass(frozen=True)
class Numbers:
    """`difference` is B - A per row; NaN where a side has no value, 0 where both are the same infinity."""

    name: str
    a: Floats
    b: Floats
    difference: Floats


@dataclass(frozen=True)
class Labels:
    """Answers that are the same or not: classes, texts, booleans, and whatever has no other form in common."""

    name: str
    a: Sequence[Any]
    b: Sequence[Any]
    flipped: np.ndarray[Any, np.dtype[np.bool_]]


Pair = Numbers | Labels


def pairs(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]], classifies: bool) -> Iterator[Pair]:
    """Of results of the same rows. `classifies`: whether `prediction` is a class, also when it is a number.

    A model's only answer is the same answer whatever label it was published with.
    """
    if not a:
        return
    names_a, names_b = list(a[0]), list(b[0])
    if len(names_a) == len(names_b) == 1 and names_a != names_b:
        yield from paired(names_b[0], [row[names_a[0]] for row in a], [row[names_b[0]] for row in b], classifies)
        return
    for name in names_a:
        if name in b[0]:
            is_label = classifies and name == "prediction"
            yield from paired(name, [row[name] for row in a], [row[name] for row in b], is_label)


def paired(name: str, a: list[Any], b: list[Any], is_label: bool = False) -> Iterator[Pair]:
    kinds = set(map(type, a)) | set(map(type, b))
    if kinds <= {int, float, type(None)} and not is_label:
        if (found := numbers(name, a, b)) is not None:
            yield found
            return
    elif kinds == {dict} and (keys := common(a, b)):
        if len(keys) > PARTS and (found := widest(name, [items(a, keys), items(b, keys)])) is not None:
            yield found
            return
        for key in keys:
            yield from paired(f"{name}.{key}", [row[key] for row in a], [row[key] for row in b])
        return
    elif kinds == {list} and len(sizes := {len(row) for row in (*a, *b)}) == 1 and (size := sizes.pop()):
        if size <= PARTS:
            for place in range(size):
                yield from paired(f"{name}[{place}]", [row[place] for row in a], [row[place] for row in b])
            return
        if (found := widest(name, [a, b])) is not None:
            yield found
            return
    yield Labels(name, a, b, np.array([differ(x, y) for x, y in zip(a, b, strict=True)], dtype=bool))


def common(a: list[dict[Any, Any]], b: list[dict[Any, Any]]) -> list[Any]:
    """The keys that all rows have, in their order; what only one side has, the differences of the contract say."""
    keys = set.intersection(*(set(row) for row in (*a, *b)))
    return [key for key in a[0] if key in keys]


def items(rows: list[dict[Any, Any]], keys: list[Any]) -> list[list[Any]]:
    return [[row[key] for key in keys] for row in rows]


def numbers(name: str, a: list[Any], b: list[Any]) -> Numbers | None:
    """None when one is a whole number beyond every double."""
    try:
        left, right = np.array(a, dtype=float), np.array(b, dtype=float)
    except OverflowError:
        return None
    difference = subtracted(left, right)
    for row in np.flatnonzero((np.abs(left) >= EXACT) | (np.abs(right) >= EXACT)):
        if type(a[row]) is int and type(b[row]) is int:
            difference[row] = b[row] - a[row]
    return Numbers(name, left, right, difference)


def subtracted(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        difference: Floats = b - a
    difference[np.isinf(a) & (a == b)] = 0.0
    return difference


def widest(name: str, sides: Sequence[list[list[Any]]]) -> Numbers | None:
    """Per row the element with the greatest difference; None when not all are numbers."""
    try:
        a, b = (np.array(rows, dtype=float) for rows in sides)
    except (TypeError, ValueError, OverflowError):
        return None
    if a.ndim != 2 or a.shape != b.shape:
        return None
    differences = subtracted(a, b)
    # An element that only one side has is the worst of all.
    size = np.where(np.isnan(a) & np.isnan(b), -1.0, np.where(np.isnan(differences), np.inf, np.abs(differences)))
    place = (np.arange(len(a)), size.argmax(axis=1))
    return Numbers(f"{name}[0..{a.shape[1] - 1}]", a[place], b[place], differences[place])


def differ(a: Any, b: Any) -> bool:
    """What is not a number is nothing, and two nothings are the same."""
    if a is b:
        return False
    if type(a) in (dict, list) or type(b) in (dict, list):
        return encode(a) != encode(b)
    a, b = (None if value != value else value for value in (a, b))
    return bool(a != b)
