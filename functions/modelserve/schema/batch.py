"""Rows of a request as columns: a Table of decoded values, and the Batch of arrays that a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from modelserve.schema.extra_columns import NONE, Others
from modelserve.schema.types import Array


@dataclass(frozen=True, slots=True)
class Table:
    """What a decoder hands over: lists of `rows` values each, not yet checked. Absent cells are MISSING.

    An array stands for a column of which the decoder has seen that it fits: it is what the check would make of it.
    """

    columns: Mapping[str, Sequence[Any]]
    rows: int
    others: Others = NONE
    """The columns that the signature does not have; they were left out."""

    @property
    def extra(self) -> int:
        return len(self.others)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a scorer takes: one array of `rows` items per column, in the signature's order."""

    columns: Mapping[str, Array]
    rows: int


def concatenate(batches: Sequence[Batch]) -> Batch:
    """The rows of all, in order. All must have the same columns and dtypes."""
    if len(batches) == 1:
        return batches[0]
    names = batches[0].columns
    joined = {name: np.concatenate([batch.columns[name] for batch in batches]) for name in names}
    return Batch(joined, sum(batch.rows for batch in batches))


def split(batch: Batch, sizes: Sequence[int]) -> list[Batch]:
    """The rows of a batch as batches of these sizes, in order."""
    ends = list(accumulate(sizes))
    return [
        Batch({name: column[end - size : end] for name, column in batch.columns.items()}, size)
        for size, end in zip(sizes, ends, strict=True)
    ]


def take_rows(batch: Batch, rows: Sequence[int]) -> Batch:
    places = list(rows)
    return Batch({name: column[places] for name, column in batch.columns.items()}, len(places))


def one_row(batch: Batch, row: int) -> Batch:
    return Batch({name: column[row : row + 1] for name, column in batch.columns.items()}, 1)
