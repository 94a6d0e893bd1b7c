"""Categories to codes: one lookup for all columns of a kind, whatever the number of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from modelserve_control.compile.onnx.features import Features, Part
from modelserve_control.compile.onnx.graph import ML, Array, Graph, tensor

# An index that no table has: using it stops the scoring, as scikit-learn raises for a category it does not know.
STOP: Final = 1 << 40
# A table has a place for every category in every column; beyond this many, each column has a lookup of its own.
MOST_CELLS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Codes:
    """One column: a code for each known category (text, or number), and one for any other."""

    known: Mapping[Any, int]
    other: int


def lookup(graph: Graph, features: Features, columns: Sequence[Codes], ordered: bool = True) -> str:
    """(rows, columns) int64. Without `ordered` the texts' codes come before the numbers'."""
    if len({part.text for part in features.parts}) == 1:
        return one_kind(graph, features, columns)
    texts = [place for place, text in enumerate(kinds(features)) if text]
    numbers = [place for place, text in enumerate(kinds(features)) if not text]
    found = [one_kind(graph, features.select(graph, group), [columns[i] for i in group]) for group in (texts, numbers)]
    together = graph.concat(found)
    return graph.op("Gather", together, np.argsort(texts + numbers), axis=1) if ordered else together


def kinds(features: Features) -> list[bool]:
    return [part.text for part in features.parts for _ in range(part.width)]


def one_kind(graph: Graph, features: Features, columns: Sequence[Codes]) -> str:
    values = graph.concat(part.dense(graph) for part in features.parts)
    text = features.parts[0].text
    keys = vocabulary(columns)
    if len(columns) == 1:
        return encode(graph, values, keys, [columns[0].known[key] for key in keys], columns[0].other, text)
    if len(columns) * (len(keys) + 1) > MOST_CELLS:
        singles = [features.select(graph, [place]) for place in range(len(columns))]
        return graph.concat(one_kind(graph, one, [codes]) for one, codes in zip(singles, columns, strict=True))
    numbered = encode(graph, values, keys, range(len(keys)), len(keys), text)
    table = np.array([[codes.known.get(key, codes.other) for key in keys] + [codes.other] for codes in columns])
    place = graph.op("Add", numbered, np.arange(len(columns))[None, :] * (len(keys) + 1))
    return graph.op("Gather", table.ravel(), place, axis=0)


def vocabulary(columns: Sequence[Codes]) -> list[Any]:
    return list(dict.fromkeys(key for codes in columns for key in codes.known))


def encode(graph: Graph, values: str, keys: Sequence[Any], codes: Sequence[int], other: int, text: bool) -> str:
    held = tensor(keys, object) if text else tensor(keys)
    return graph.op(
        "LabelEncoder",
        values,
        domain=ML,
        keys_tensor=held,
        values_tensor=tensor(codes, np.int64),
        default_tensor=tensor([other], np.int64),
    )


def hot(codes: str, width: int) -> Features:
    """Codes as one-hot columns; the code `width` is a row of zeros."""
    return Features((Part(codes, width, hot=True),))


def values_of(graph: Graph, codes: str, table: Array, columns: int) -> str:
    """(rows, columns * k) double: the row of `table` (codes, k) behind each code."""
    if table.shape[1] == 1:
        return graph.op("Gather", table[:, 0], codes, axis=0)
    found = graph.op("Gather", table, codes, axis=0)
    return graph.op("Reshape", found, np.array([-1, columns * table.shape[1]]))
