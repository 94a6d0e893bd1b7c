"""The cells of typed rows: how each column's are decoded, and what their type does not say of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from modelserve.payloads import Limits
from modelserve.schema.batch import Table
from modelserve.schema.extra_columns import NONE, Others
from modelserve.schema.signature import Column, Signature
from modelserve.schema.types import EXACT, Real, Whole

TYPES: Final = {
    "string": str, "boolean": bool, "integer": int, "long": int, "float": float, "double": float, "datetime": str, "binary": str,
}  # fmt: skip
FEW_BYTES: Final = 2_000
SPACED_COLONS: Final = (b" :", b"\t:", b"\n:", b"\r:")

Check = Callable[[Any], Any]
"""The column as the model's signature has it."""


class Unusual(Exception):
    """For the reporting decoder."""


def cell_type(column: Column) -> Any:
    kind = TYPES[column.kind.name]
    return kind if column.required else kind | None


class Cells:
    def __init__(self, signature: Signature, limits: Limits) -> None:
        self.limits = limits
        self._checks = [(column.name, check) for column in signature.columns if (check := cell_check(column))]

    def table(self, columns: dict[str, Any], rows: int, others: Others = NONE) -> Table:
        """Of the signature's columns, in its order. Raises Unusual."""
        if not 0 < rows <= self.limits.rows or rows * len(columns) > self.limits.cells:
            raise Unusual
        for name, check in self._checks:
            columns[name] = check(columns[name])
        return Table(columns, rows, others, fits=True)


def cell_check(column: Column) -> Check | None:
    """None where the type says it all."""
    kind = column.kind
    if kind.name in ("float", "datetime", "binary"):  # what the model sees is not what came
        return lambda values: kind.check(values, column.required, refuse)
    if isinstance(kind, Whole):
        # Of whole numbers from here on a double keeps only some, and a compiled model is fed doubles.
        low, high = max(kind.low, 1 - EXACT), min(kind.high, EXACT - 1)
    elif isinstance(kind, Real):
        low, high = 1 - EXACT, EXACT - 1  # beyond, a whole number may have been rounded
    else:
        return None
    return partial(check_range, low, high, column.required)


def check_range(low: int, high: int, required: bool, values: Any) -> Any:
    numbers = values if required or None not in values else [value for value in values if value is not None]
    if numbers and (min(numbers) < low or max(numbers) > high):
        raise Unusual
    return values


def count_byte(data: bytes, byte: bytes) -> int:
    """As `data.count(byte)`, which looks at one occurrence after the other."""
    if len(data) < FEW_BYTES:
        return data.count(byte)
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == byte[0]))


def refuse(row: int, reason: str) -> None:
    raise Unusual


def check_keys(data: bytes, keys: int) -> None:
    """Raises Unusual unless the body has exactly so many keys: one that comes twice is decoded once.

    Each key is followed by a colon, so as many colons as keys leave no room for another. Where texts hold colons, those
    that follow a quotation mark are counted, if no key has a space behind it.
    """
    if count_byte(data, b":") == keys:
        return
    if data.count(b'":') != keys or any(spaced in data for spaced in SPACED_COLONS):
        raise Unusual
