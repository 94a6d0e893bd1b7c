"""The cells of typed rows: the type by which each column's are decoded, and what no type says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta

from modelserve.payloads import Limits
from modelserve.schema.batch import Table
from modelserve.schema.extra_columns import NO_EXTRA_COLUMNS, ExtraColumns
from modelserve.schema.signature import Column, Signature
from modelserve.schema.types import EXACT, IntegerType

# A double rounds some whole numbers from here on. A compiled model is fed doubles.
INTEGER: Final = Annotated[int, Meta(ge=1 - EXACT, le=EXACT - 1)]
NUMBER: Final = Annotated[float, Meta(gt=-float(EXACT), lt=float(EXACT))]
# What the model sees of these is not what came.
CONVERTED: Final = frozenset({"float", "datetime", "binary"})
FEW_BYTES, FEW_KEYS = 2_000, 200
KEY_END: Final = re.compile(rb'"[ \t\r\n]*:')
COLON, QUOTE, SPACE = b':" '
# msgspec looks for a key among all fields when it does not stand at its place, and makes a type of each column of a layout:
# with many that takes long.
MAX_COLUMNS: Final = 256

Scalar = str | int | float | bool | None

Categories = Mapping[str, Sequence[str]]
"""Texts of a column, by its name, that the model knows."""


class Unusual(Exception):
    """For the reporting decoder."""


def cell_type(column: Column, categories: Categories) -> Any:
    """With `categories` a text that is not among those of its column does not fit. They are decoded to the same objects
    again and again, whose hashes are known."""
    kind = column.kind
    found: Any = {"boolean": bool, "double": NUMBER, "float": int | float}.get(kind.name, str)
    if isinstance(kind, IntegerType):
        found = Annotated[int, Meta(ge=max(kind.low, 1 - EXACT), le=min(kind.high, EXACT - 1))]
    elif known := categories.get(column.name, ()) if kind.name == "string" else ():
        found = Literal[tuple(known)]
    return found if column.required else found | None


class Cells:
    def __init__(self, signature: Signature, limits: Limits, known: bool = False) -> None:
        self.limits = limits
        self.known = known
        self._converted = [column for column in signature.columns if column.kind.name in CONVERTED]

    def table(self, columns: dict[str, Any], rows: int, others: ExtraColumns = NO_EXTRA_COLUMNS) -> Table:
        """Of the signature's columns, in its order. Raises Unusual."""
        if not 0 < rows <= self.limits.rows or rows * len(columns) > self.limits.cells:
            raise Unusual
        for column in self._converted:
            columns[column.name] = column.kind.check(columns[column.name], column.required, refuse)
        return Table(columns, rows, others, fits=True, known=self.known)


def refuse(row: int, reason: str) -> None:
    raise Unusual


def check_keys(data: bytes, keys: int) -> None:
    """Raises Unusual unless the body has exactly so many keys: one that comes twice is decoded once.

    Each key is followed by a colon, so as many colons as keys leave no room for another. Where texts hold colons, those
    that follow a quotation mark are counted, if no colon follows a space: it may be that of a key.
    """
    if len(data) < FEW_BYTES:
        if data.count(b":") != keys:
            check_key_ends(data, keys)
        return
    letters = np.frombuffer(data, np.uint8)  # larger bodies are counted several times as fast
    colons = letters == COLON
    if np.count_nonzero(colons) == keys:
        return
    if keys < FEW_KEYS:
        check_key_ends(data, keys)
        return
    before = letters[np.flatnonzero(colons) - 1]
    if np.count_nonzero(before == QUOTE) != keys or before.min(initial=QUOTE) <= SPACE:
        raise Unusual


def check_key_ends(data: bytes, keys: int) -> None:
    if len(KEY_END.findall(data)) != keys:
        raise Unusual
