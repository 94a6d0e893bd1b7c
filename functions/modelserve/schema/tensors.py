"""Columns that are numpy tensors: MLflow's `TensorSpec`, with the rows in the first dimension."""

import operator
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np

from modelserve.schema.types import SCALARS, Array, ColumnType, FloatType, IntegerType, Report


class Tensor(ColumnType):
    """`shape` is that of one row; -1 takes any length."""

    name = "tensor"

    def __init__(self, dtype: str, shape: Sequence[int]) -> None:
        stored = np.dtype(dtype)
        self.item = item_type(stored)
        # Texts and bytes of any length: numpy's own dtypes for them cut or pad.
        self.dtype = np.dtype(object) if stored.kind in "USO" else stored
        self.shape = tuple(map(operator.index, shape))[1:]

    def fast(self, values: Sequence[Any]) -> Array | None:
        array = np.asarray(values) if isinstance(values, np.ndarray) else None
        return array if array is not None and array.dtype == self.dtype and self.fits(array.shape[1:]) else None

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and all(
            want in (-1, have) for want, have in zip(self.shape, shape, strict=True)
        )

    def check(self, values: Sequence[Any], required: bool, report: Report) -> Array:
        array = self.fast(values) if len(values) else None
        if array is not None:
            return array
        rows = []
        for row, value in enumerate(values):
            try:
                rows.append(self.cell(value))
            except ValueError as error:
                report(row, str(error))
        if len({row.shape for row in rows}) > 1:
            report(0, "the rows of a tensor must have one shape")
            return np.zeros(0)
        return np.stack(rows) if rows else np.zeros((0, *(max(length, 0) for length in self.shape)), self.dtype)

    def cell(self, value: Any) -> Array:
        shape, items = flatten(value)
        if not self.fits(shape):
            raise ValueError(f"shape {list(shape)}, needs {list(self.shape)}")
        array = self.item.fast(items) if items else None
        if array is not None:
            return array.astype(self.dtype, copy=False).reshape(shape)
        cells = [self.item._cell_or_null(item, required=True) for item in items]
        return self.pack(cells).reshape(shape)


ITEMS: Final = {"b": "boolean", "U": "string", "O": "string", "S": "binary", "M": "datetime"}


def item_type(dtype: np.dtype[Any]) -> ColumnType:
    """Raises KeyError for a dtype that no JSON value fits, such as complex."""
    if dtype.kind == "f":
        return FloatType(dtype.name, dtype.itemsize * 8) if dtype.itemsize in (4, 8) else SCALARS["double"]
    if dtype.kind == "i":
        return IntegerType(dtype.name, dtype.itemsize * 8)
    if dtype.kind == "u":
        return Unsigned(dtype.name, dtype.itemsize * 8)
    return SCALARS[ITEMS[dtype.kind]]


class Unsigned(IntegerType):
    def __init__(self, name: str, bits: int) -> None:
        super().__init__(name, bits)
        self.dtype = np.dtype(f"uint{bits}")
        self.low, self.high = 0, (1 << bits) - 1


def flatten(value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape and the items of nested lists, level by level so that no depth exhausts the stack. Raises ValueError when they are ragged."""
    if type(value) is not list:
        return (), [value]
    shape = [len(value)]
    items = value
    while items and type(items[0]) is list:
        lengths = {len(item) if type(item) is list else -1 for item in items}
        if len(lengths) > 1:
            raise ValueError("ragged lists")
        shape.append(lengths.pop())
        items = list(chain.from_iterable(items))
    if list in set(map(type, items)):
        raise ValueError("ragged lists")
    return tuple(shape), items
