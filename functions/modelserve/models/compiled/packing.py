"""The inputs of a compiled graph: all numbers in one tensor, and the codes of known categories in another.

ONNX Runtime takes about a microsecond per input and 50 ns per text, so texts that the graph would only look up are looked
up here. `modelserve_control.compile.onnx.packing` writes such graphs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import numpy as np

from modelserve.core.errors import SignatureMismatch
from modelserve.schema.batch import Batch, Matrix
from modelserve.schema.texts import Words
from modelserve.schema.types import EXACT, Array

# What a null text is fed as. U+FFFF and U+FFFE are noncharacters: legal in UTF-8, and never part of a text that anyone
# interchanges (Unicode 23.7).
NULL_TEXT: Final = "\uffff\ufffenull"
MAX_CATEGORIES: Final = 1_000  # of one column
# So many rows are looked up one by one before numpy has begun.
FEW_ROWS: Final = 256
NUMBERS, CODES = "numbers", "codes"
PLAIN: Final = frozenset({list, tuple})  # columns whose values are Python's


@dataclass(frozen=True, slots=True)
class Input:
    """One column of the signature. `kind` is "double" or "string"; its tensor is (rows, width)."""

    name: str
    kind: str
    width: int = 1
    nullable: bool = False
    lower: bool = False
    """Whether texts are fed as `text.lower()`: a vectorizer lowers them, and no operator does it as Python does."""
    exact_integers: bool = False
    """A long column: a double keeps whole numbers up to 2**53 only, so greater ones must be refused before."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A column of categories, texts or numbers, and the code of each. `other` is that of all others."""

    column: Input
    keys: Sequence[Any]
    codes: Sequence[int]
    other: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The columns of each input: `numbers` is one tensor (rows, sum of widths), `lookups` one of codes (rows, lookups),
    and each of `texts` has a (rows, 1) tensor of its own."""

    numbers: Sequence[Input]
    lookups: Sequence[Lookup]
    texts: Mapping[str, Input]  # by the name of the tensor

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Plan:
        raw = json.loads(text)
        lookups = [Lookup(**{**lookup, "column": Input(**lookup["column"])}) for lookup in raw["lookups"]]
        texts = {tensor: Input(**column) for tensor, column in raw["texts"].items()}
        return cls([Input(**column) for column in raw["numbers"]], lookups, texts)


class Codes(dict[Any, int]):
    def __init__(self, lookup: Lookup) -> None:
        super().__init__(zip(lookup.keys, lookup.codes, strict=True))
        self.other = lookup.other
        self[None] = self.pop(NULL_TEXT, self.other)  # of null alone: a text of these letters is one of the others

    def __missing__(self, key: Any) -> int:
        return self.other


class Packing:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.codes = [Codes(lookup) for lookup in plan.lookups]
        # As plain dicts, if a byte holds every code.
        self._known = [dict(codes) for codes in self.codes] if self._fit_bytes() else None
        self._get_codes = [codes.__getitem__ for codes in self.codes]
        self._columns = [lookup.column.name for lookup in plan.lookups]
        self._numbers = tuple(column.name for column in plan.numbers)
        self.refused: Mapping[str, frozenset[str | None]] = {}
        """Columns in which a text that is none of these is a bad cell."""

    def _fit_bytes(self) -> bool:
        return all(0 <= code < 256 for codes in self.codes for code in codes.values())

    def categories(self) -> dict[str, list[str]]:
        """The known texts of each column; none for a column with too many."""
        found: dict[str, dict[str, None]] = {}
        for lookup in self.plan.lookups:
            if lookup.column.kind == "string":
                found.setdefault(lookup.column.name, {}).update(dict.fromkeys(filter(is_text, lookup.keys)))
        return {name: list(texts) for name, texts in found.items() if len(texts) <= MAX_CATEGORIES}

    def of_batch(self, batch: Batch) -> dict[str, Array]:
        """Tensors by name. Raises SignatureMismatch for whole numbers that a double cannot keep."""
        plan = self.plan
        # Cells of a decoder go without arrays of their own. Only tensors are wider than one, and these have no cells.
        columns: Mapping[str, Any] = batch.columns if batch.cells is None else batch.cells
        if self.refused:
            refuse_unknown(columns, self.refused)
        feeds = {tensor: own_tensor(column, columns[column.name]) for tensor, column in plan.texts.items()}
        if plan.numbers and batch.cells is None:
            parts = [doubles(column, columns[column.name]) for column in plan.numbers]
            feeds[NUMBERS] = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        elif isinstance(columns, Matrix) and columns.names == self._numbers:
            feeds[NUMBERS] = columns.array.astype(np.float64, copy=False)
        elif plan.numbers:
            feeds[NUMBERS] = by_row(np.array([columns[name] for name in self._numbers], dtype=np.float64))
        if plan.lookups:
            feeds[CODES] = self._codes([columns[name] for name in self._columns], batch.rows)
        return feeds

    def _codes(self, columns: Sequence[Any], rows: int) -> Array:
        plain = PLAIN.issuperset(map(type, columns))
        if plain and self._known and rows > 1:
            try:  # three times as fast, for categories that are all known
                found = [bytes(itemgetter(*cells)(codes)) for cells, codes in zip(columns, self._known, strict=True)]
                return by_row(np.frombuffer(b"".join(found), np.uint8).astype(np.int64).reshape(-1, rows))
            except KeyError:
                pass
        if rows > FEW_ROWS and not plain:
            return by_row(np.stack([codes_of(*one) for one in zip(self._get_codes, columns, strict=True)]))
        codes = chain.from_iterable(map(map if plain else look_up, self._get_codes, columns))
        return by_row(np.fromiter(codes, np.int64, len(columns) * rows).reshape(-1, rows))


def by_row(columns: Array) -> Array:
    """One row behind the other, as ONNX Runtime reads them. Of another order it makes a copy, in three times the time."""
    return np.ascontiguousarray(columns.T)


def is_text(key: Any) -> bool:
    """Whether a body can contain it: half of a surrogate pair is not valid Unicode."""
    return type(key) is str and key != NULL_TEXT and not any("\ud800" <= letter <= "\udfff" for letter in key)


def look_up(code: Callable[[Any], int], cells: Iterable[Any]) -> Iterable[int]:
    if isinstance(cells, Words):
        return map([code(word) for word in cells.words].__getitem__, cells.places.tolist())
    return map(code, cells.tolist() if isinstance(cells, np.ndarray) else cells)


def codes_of(code: Callable[[Any], int], cells: Any) -> Array:
    """(rows,) codes, each different value looked up once."""
    if isinstance(cells, Words):
        places = cells.places
        known: Sequence[Any] = cells.words
    elif isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        values, places = np.unique(cells, return_inverse=True)
        known = values.tolist()
    else:
        return np.fromiter(look_up(code, cells), np.int64, len(cells))
    found: Array = np.fromiter(map(code, known), np.int64, len(known))[places]
    return found


def own_tensor(column: Input, texts: Iterable[Any]) -> Array:
    if column.nullable or column.lower:
        texts = [NULL_TEXT if text is None else text.lower() if column.lower else text for text in texts]
    return np.array(texts, dtype=object).reshape(-1, 1)


def doubles(column: Input, values: Array) -> Array:
    """(rows, width). None, which booleans beside nulls have, becomes NaN."""
    if column.exact_integers and values.dtype.kind == "i":
        refuse_inexact(column, values)
    numbers = values if values.dtype == np.float64 else values.astype(np.float64)
    return numbers.reshape(len(values), column.width)


def refuse_unknown(columns: Mapping[str, Any], known: Mapping[str, frozenset[str | None]]) -> None:
    details = [
        {"row": row, "column": name, "reason": "not a category that the model knows"}
        for name, texts in known.items()
        for row, cell in enumerate(columns[name])
        if cell not in texts
    ]
    if details:
        cells = "cell holds a category" if len(details) == 1 else "cells hold categories"
        raise SignatureMismatch(f"{len(details)} {cells} that the model does not know.", details)


def refuse_inexact(column: Input, values: Array) -> None:
    if values.min(initial=0) >= -EXACT and values.max(initial=0) <= EXACT:
        return
    rows = np.unique(np.nonzero((values > EXACT) | (values < -EXACT))[0])
    if rows.size:
        details = [
            {"row": int(row), "column": column.name, "reason": "above 2**53, which this compiled model rounds"}
            for row in rows
        ]
        raise SignatureMismatch(f"{rows.size} cells do not fit the compiled model.", details)
