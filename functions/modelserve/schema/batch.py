"""Rows of a request as columns: a Table of decoded values, and the Batch of arrays that a model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import msgspec
import numpy as np

from modelserve.schema.extra_columns import NO_EXTRA_COLUMNS, ExtraColumns
from modelserve.schema.types import Array


class Matrix(Mapping[str, Any]):
    """Columns that came as one array: (rows, columns), row by row, as compiled models take it."""

    __slots__ = ("array", "names")

    def __init__(self, names: tuple[str, ...], array: Array) -> None:
        self.names = names
        self.array = np.ascontiguousarray(array)

    def __getitem__(self, name: str) -> Array:
        column: Array = self.array[:, self.names.index(name)]
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Table(msgspec.Struct, frozen=True):
    """What a decoder returns: lists of `rows` values, not yet checked. Absent cells are MISSING. An array is a column
    that the decoder has checked."""

    columns: Mapping[str, Sequence[Any]]
    rows: int
    others: ExtraColumns = NO_EXTRA_COLUMNS  # the columns that the signature does not have; they were left out
    fits: bool = False  # whether the decoder has checked every cell: all columns are there, in the signature's order
    # what the caller calls the columns of a model that does not know them by name, in their order
    names: tuple[str, ...] = ()
    known: bool = False  # whether each category in it is one of the model's


class Batch:
    """What a scorer takes: one array of `rows` items per column, in the signature's order."""

    __slots__ = ("_columns", "_make_columns", "cells", "names", "rows")

    def __init__(self, columns: Mapping[str, Array], rows: int, names: tuple[str, ...] = ()) -> None:
        self.names = names
        """As in the table; only batches with the same names are scored together."""
        self._columns: Mapping[str, Array] | None = columns
        self._make_columns: Callable[[], Mapping[str, Array]] = dict
        self.rows = rows
        self.cells: Mapping[str, Sequence[Any]] | None = None
        """The same columns as Python values, where a decoder has checked these. A double keeps each of their numbers."""

    @classmethod
    def of_cells(
        cls, cells: Mapping[str, Sequence[Any]], rows: int, make_columns: Callable[[], Mapping[str, Array]]
    ) -> Batch:
        batch = cls({}, rows)
        batch.cells, batch._columns, batch._make_columns = cells, None, make_columns
        return batch

    @property
    def columns(self) -> Mapping[str, Array]:
        if self._columns is None:
            self._columns = self._make_columns()
        return self._columns


def concatenate(batches: Sequence[Batch]) -> Batch:
    """The rows of all, in order. All must have the same columns and dtypes."""
    if len(batches) == 1:
        return batches[0]
    rows = sum(batch.rows for batch in batches)
    cells = [batch.cells for batch in batches if batch.cells is not None]
    if len(cells) == len(batches):
        arrays = [one.array for one in cells if isinstance(one, Matrix)]
        if len(arrays) == len(cells):
            matrix = Matrix(tuple(cells[0]), np.concatenate(arrays))
            return Batch.of_cells(matrix, rows, lambda: concatenate_columns(batches))
        columns = zip(*(one.values() for one in cells), strict=True)
        joined = {name: join(parts) for name, parts in zip(cells[0], columns, strict=True)}
        return Batch.of_cells(joined, rows, lambda: concatenate_columns(batches))
    return Batch(concatenate_columns(batches), rows, batches[0].names)


def join(parts: Sequence[Any]) -> Any:
    """Arrays stay one, without a Python value for each cell."""
    if all(type(part) is np.ndarray for part in parts):
        return np.concatenate(parts)
    return list(chain.from_iterable(parts))


def concatenate_columns(batches: Sequence[Batch]) -> Mapping[str, Array]:
    return {name: np.concatenate([batch.columns[name] for batch in batches]) for name in batches[0].columns}


def split(batch: Batch, sizes: Sequence[int]) -> list[Batch]:
    ends = list(accumulate(sizes))
    return [
        Batch({name: column[end - size : end] for name, column in batch.columns.items()}, size, batch.names)
        for size, end in zip(sizes, ends, strict=True)
    ]


def select_rows(table: Table, rows: Sequence[int]) -> Table:
    columns = {name: [values[row] for row in rows] for name, values in table.columns.items()}
    return Table(columns, len(rows), table.others, names=table.names)


def take_rows(batch: Batch, rows: Sequence[int]) -> Batch:
    places = list(rows)
    return Batch({name: column[places] for name, column in batch.columns.items()}, len(places), batch.names)


def one_row(batch: Batch, row: int) -> Batch:
    return Batch({name: column[row : row + 1] for name, column in batch.columns.items()}, 1, batch.names)
