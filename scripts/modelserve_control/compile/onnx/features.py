"""The columns between two steps of a pipeline: numbers, texts, and one-hot columns stored as positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from modelserve_control.compile.errors import CannotCompile
from modelserve_control.compile.onnx.graph import Array, Graph


@dataclass(frozen=True, slots=True)
class Part:
    """Adjacent columns in one tensor (rows, width) of double or string."""

    tensor: str
    width: int
    text: bool = False
    nullable: bool = False
    """Whether it may contain NaN or NULL_TEXT."""
    hot: bool = False
    """`tensor` has (rows, k) positions of ones among `width` columns; the position `width` means no column."""

    def dense(self, graph: Graph) -> str:
        """(rows, width) double."""
        if not self.hot:
            return self.tensor
        return graph.ones_at(self.tensor, self.width)

    def dot(self, graph: Graph, weights: Array) -> str:
        """(rows, outputs). For one-hot columns, the product is a sum of rows of `weights`."""
        if not self.hot:
            return graph.op("MatMul", self.tensor, np.ascontiguousarray(weights))
        padded = np.vstack([weights, np.zeros((1, weights.shape[1]))])
        if weights.shape[1] == 1:
            return graph.total(graph.op("Gather", padded[:, 0], self.tensor, axis=0), keep=True)
        return graph.total(graph.op("Gather", padded, self.tensor, axis=0))


@dataclass(frozen=True, slots=True)
class Features:
    parts: tuple[Part, ...]
    names: tuple[str, ...] | None = None
    """The names of the columns, if they are those of a DataFrame."""
    sparse: bool = False
    """Whether scikit-learn would use a sparse matrix, whose zeros XGBoost treats as nulls."""

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    @property
    def nullable(self) -> bool:
        return any(part.nullable for part in self.parts)

    def numbers(self, graph: Graph, nulls: bool = False) -> str:
        """(rows, width) double. Without `nulls`, scoring fails at a NaN, where scikit-learn raises."""
        parts = self.numeric(graph, nulls)
        return graph.concat(part.dense(graph) for part in parts)

    def numeric(self, graph: Graph, nulls: bool) -> tuple[Part, ...]:
        if any(part.text for part in self.parts):
            raise CannotCompile("A text column reaches a step that needs numbers.")
        joined = join_parts(graph, self.parts)
        return joined if nulls else tuple(stop_at_nan(graph, part) for part in joined)

    def dot(self, graph: Graph, weights: Array) -> str:
        """(rows, outputs) double: the features times `weights` (width, outputs). Scoring fails at a NaN."""
        terms, start = [], 0
        for part in self.numeric(graph, nulls=False):
            terms.append(part.dot(graph, weights[start : start + part.width]))
            start += part.width
        total = terms[0]
        for term in terms[1:]:
            total = graph.op("Add", total, term)
        return total

    def select(self, graph: Graph, columns: Sequence[int]) -> Features:
        places = [(part, place) for part in self.parts for place in range(part.width)]
        chosen = [places[column] for column in columns]
        parts: list[Part] = []
        while chosen:
            part = chosen[0][0]
            run = next((i for i, (other, _) in enumerate(chosen) if other is not part), len(chosen))
            parts.append(select_columns(graph, part, [place for _, place in chosen[:run]]))
            chosen = chosen[run:]
        names = None if self.names is None else tuple(self.names[column] for column in columns)
        return Features(tuple(parts), names)


def select_columns(graph: Graph, part: Part, places: list[int]) -> Part:
    if places == list(range(part.width)):
        return part
    if part.hot and len(set(places)) == len(places):
        moved = np.full(part.width + 1, len(places))
        moved[places] = np.arange(len(places))
        return replace(part, tensor=graph.op("Gather", moved, part.tensor, axis=0), width=len(places))
    tensor = graph.op("Gather", part.dense(graph), np.array(places), axis=1)
    return Part(tensor, len(places), part.text, part.nullable)


def stop_at_nan(graph: Graph, part: Part) -> Part:
    if not part.nullable:
        return part
    return replace(part, tensor=graph.stop_where(graph.op("IsNaN", part.tensor), part.tensor), nullable=False)


def join_parts(graph: Graph, parts: Sequence[Part]) -> tuple[Part, ...]:
    """Join adjacent parts of the same type, so that a step needs only one node for all of them."""
    joined: list[list[Part]] = []
    for part in parts:
        if joined and not part.hot and not joined[-1][0].hot and joined[-1][0].text == part.text:
            joined[-1].append(part)
        else:
            joined.append([part])
    return tuple(concatenate(graph, group) for group in joined)


def concatenate(graph: Graph, group: Sequence[Part]) -> Part:
    if len(group) == 1:
        return group[0]
    tensor = graph.concat(part.tensor for part in group)
    return Part(tensor, sum(p.width for p in group), group[0].text, any(p.nullable for p in group))


def numbers(tensor: str, width: int, nullable: bool = False) -> Features:
    return Features((Part(tensor, width, nullable=nullable),))
