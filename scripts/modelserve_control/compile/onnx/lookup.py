"""Encode categories with one lookup for all columns of the same type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from modelserve_control.compile.onnx.features import Features, Part
from modelserve_control.compile.onnx.graph import ML, Array, Graph, tensor

# An index out of range of any table: it makes scoring fail where scikit-learn raises for an unknown category.
STOP: Final = 1 << 40
# What STOP is in a packed graph.
LARGEST_CODE: Final = 0x10FFFF
# A shared table has a cell for every category in every column. Above this size each column gets its own lookup.
MAX_CELLS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Codes:
    known: Mapping[Any, int]
    other: int


def lookup(graph: Graph, features: Features, columns: Sequence[Codes], ordered: bool = True) -> str:
    """(rows, columns) int64. Without `ordered`, the codes of texts come before those of numbers."""
    if len({part.text for part in features.parts}) == 1:
        return lookup_one_type(graph, features, columns)
    texts = [place for place, text in enumerate(text_flags(features)) if text]
    numbers = [place for place, text in enumerate(text_flags(features)) if not text]
    found = [
        lookup_one_type(graph, features.select(graph, group), [columns[i] for i in group]) for group in (texts, numbers)
    ]
    together = graph.concat(found)
    return graph.op("Gather", together, np.argsort(texts + numbers), axis=1) if ordered else together


def text_flags(features: Features) -> list[bool]:
    return [part.text for part in features.parts for _ in range(part.width)]


def lookup_one_type(graph: Graph, features: Features, columns: Sequence[Codes]) -> str:
    values = graph.concat(part.dense(graph) for part in features.parts)
    text = features.parts[0].text
    keys = list(dict.fromkeys(key for codes in columns for key in codes.known))
    if len(columns) == 1:
        return encode(graph, values, keys, [columns[0].known[key] for key in keys], columns[0].other, text)
    if len(columns) * (len(keys) + 1) > MAX_CELLS:
        singles = [features.select(graph, [place]) for place in range(len(columns))]
        return graph.concat(lookup_one_type(graph, one, [codes]) for one, codes in zip(singles, columns, strict=True))
    numbered = encode(graph, values, keys, range(len(keys)), len(keys), text)
    table = np.array([[codes.known.get(key, codes.other) for key in keys] + [codes.other] for codes in columns])
    place = graph.op("Add", numbered, np.arange(len(columns))[None, :] * (len(keys) + 1))
    return graph.op("Gather", table.ravel(), place, axis=0)


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


def one_hot_features(codes: str, width: int) -> Features:
    return Features((Part(codes, width, hot=True),))


def gather_rows(graph: Graph, codes: str, table: Array, columns: int) -> str:
    """(rows, columns * k) double: the row of `table` (codes, k) for each code."""
    if table.shape[1] == 1:
        return graph.op("Gather", table[:, 0], codes, axis=0)
    found = graph.op("Gather", table, codes, axis=0)
    return graph.op("Reshape", found, np.array([-1, columns * table.shape[1]]))
