"""The inputs of a compiled graph: all numbers in one tensor, and the codes of known categories in another.

ONNX Runtime takes about a microsecond per input and 50 ns per text, so texts that the graph would only look up are looked
up here. Categories that trees read as numbers are looked up as these. `modelserve_control.compile.onnx.packing` writes such graphs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
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
    """A column of categories, texts or numbers, and the code of each. `other` is that of all others. A number among `numbers`
    has doubles as codes."""

    column: Input
    keys: Sequence[Any]
    codes: Sequence[float]
    other: float

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def width(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class Split:
    """Where trees send rows to different sides: the numbers up to `value` and the others, or the code `value` and the others."""

    tensor: str
    column: int
    value: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The columns of each input: `numbers` is one tensor (rows, sum of widths), `lookups` one of codes (rows, lookups),
    and each of `texts` has a (rows, 1) tensor of its own."""

    numbers: Sequence[Input | Lookup]
    lookups: Sequence[Lookup]
    texts: Mapping[str, Input]  # by the name of the tensor
    splits: Sequence[Split] = ()
    """Of many trees, those that most rows come by first."""
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of the outputs that are places of labels instead of these."""

    def encode(self) -> str:
        return json.dumps(asdict(self) | {"splits": [astuple(one) for one in self.splits]})

    @classmethod
    def decode(cls, text: str) -> Plan:
        raw = json.loads(text)
        lookups = [decode_lookup(lookup) for lookup in raw["lookups"]]
        numbers = [decode_lookup(one) if "column" in one else Input(**one) for one in raw["numbers"]]
        texts = {tensor: Input(**column) for tensor, column in raw["texts"].items()}
        splits = [Split(*one) for one in raw.get("splits", ())]
        return cls(numbers, lookups, texts, splits, raw.get("labels", {}))


def decode_lookup(raw: Mapping[str, Any]) -> Lookup:
    return Lookup(**{**raw, "column": Input(**raw["column"])})


class Codes(dict[Any, Any]):
    def __init__(self, lookup: Lookup) -> None:
        known = dict(zip(lookup.keys, lookup.codes, strict=True))
        super().__init__((key, code) for key, code in known.items() if key == key and key != NULL_TEXT)
        self.other = lookup.other
        # Of null alone: a text of these letters is one of the others. Among numbers it is NaN, which equals no key.
        self[None] = next((code for key, code in known.items() if key not in self), self.other)

    def __missing__(self, key: Any) -> Any:
        return self.other if key == key else self[None]


class Packing:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.codes = [Codes(lookup) for lookup in plan.lookups]
        # As plain dicts, if a byte holds every code.
        self._known = [dict(codes) for codes in self.codes] if self._fit_bytes() else None
        self._get_codes = [codes.__getitem__ for codes in self.codes]
        self._columns = [lookup.column.name for lookup in plan.lookups]
        self._numbers = tuple(one.name for one in plan.numbers)
        self._get_numbers = {
            place: Codes(one).__getitem__ for place, one in enumerate(plan.numbers) if isinstance(one, Lookup)
        }
        self.refused: Mapping[str, frozenset[str | None]] = {}
        """Columns in which a text that is none of these is a bad cell."""

    def _fit_bytes(self) -> bool:
        return all(0 <= code < 256 for codes in self.codes for code in codes.values())

    def categories(self) -> dict[str, list[str]]:
        """The known texts of each column; none for a column with too many."""
        found: dict[str, dict[str, None]] = {}
        numbers = [one for one in self.plan.numbers if isinstance(one, Lookup)]
        for lookup in (*self.plan.lookups, *numbers):
            if lookup.column.kind == "string":
                found.setdefault(lookup.column.name, {}).update(dict.fromkeys(filter(is_text, lookup.keys)))
        return {name: list(texts) for name, texts in found.items() if len(texts) <= MAX_CATEGORIES}

    def of_batch(self, batch: Batch, narrow: bool = False) -> dict[str, Array]:
        """Tensors by name. `narrow`: codes may be bytes, which are integers of 64 bits for the graph. Raises SignatureMismatch for
        whole numbers that a double cannot keep."""
        plan = self.plan
        # Cells of a decoder go without arrays of their own. Only tensors are wider than one, and these have no cells.
        columns: Mapping[str, Any] = batch.columns if batch.cells is None else batch.cells
        if self.refused:
            refuse_unknown(columns, self.refused)
        feeds = {tensor: own_tensor(column, columns[column.name]) for tensor, column in plan.texts.items()}
        if plan.numbers and batch.cells is None:
            feeds[NUMBERS] = self._number_columns(columns)
        elif isinstance(columns, Matrix) and columns.names == self._numbers and not self._get_numbers:
            feeds[NUMBERS] = columns.array.astype(np.float64, copy=False)
        elif plan.numbers:
            cells = [columns[name] for name in self._numbers]
            for place, get in self._get_numbers.items():
                cells[place] = [*look_up(get, cells[place])]
            feeds[NUMBERS] = by_row(np.array(cells, dtype=np.float64))
        if plan.lookups:
            dtype = np.uint8 if narrow and self._known else np.int64
            feeds[CODES] = self._codes([columns[name] for name in self._columns], batch.rows, dtype)
        return feeds

    def _number_columns(self, columns: Mapping[str, Any]) -> Array:
        parts = [
            doubles(one, columns[one.name])
            if isinstance(one, Input)
            else codes_of(self._get_numbers[place], columns[one.name], np.float64)[:, None]
            for place, one in enumerate(self.plan.numbers)
        ]
        if len(parts) == 1:
            return parts[0]
        if all(one.width == 1 for one in self.plan.numbers):  # in two thirds of the time of the general way
            return by_row(np.stack([part[:, 0] for part in parts]))
        return np.concatenate(parts, axis=1)

    def _codes(self, columns: Sequence[Any], rows: int, dtype: Any) -> Array:
        plain = PLAIN.issuperset(map(type, columns))
        if plain and self._known and rows > 1:
            try:  # three times as fast, for categories that are all known
                found = [bytes(itemgetter(*cells)(codes)) for cells, codes in zip(columns, self._known, strict=True)]
                return by_row(np.frombuffer(b"".join(found), np.uint8).astype(np.int64).reshape(-1, rows))
            except KeyError:
                pass
        if rows > FEW_ROWS and not plain:
            return by_row(np.stack([codes_of(*one, dtype) for one in zip(self._get_codes, columns, strict=True)]))
        codes = chain.from_iterable(map(map if plain else look_up, self._get_codes, columns))
        return by_row(np.fromiter(codes, np.int64, len(columns) * rows).reshape(-1, rows))


def by_row(columns: Array) -> Array:
    """One row behind the other, as ONNX Runtime reads them. Of another order it makes a copy, in three times the time."""
    return np.ascontiguousarray(columns.T)


def is_text(key: Any) -> bool:
    """Whether a body can contain it: half of a surrogate pair is not valid Unicode."""
    return type(key) is str and key != NULL_TEXT and not any("\ud800" <= letter <= "\udfff" for letter in key)


def look_up(code: Callable[[Any], Any], cells: Iterable[Any]) -> Iterable[Any]:
    if isinstance(cells, Words):
        return map([code(word) for word in cells.words].__getitem__, cells.places.tolist())
    return map(code, cells.tolist() if isinstance(cells, np.ndarray) else cells)


def codes_of(code: Callable[[Any], Any], cells: Any, dtype: Any = np.int64) -> Array:
    """(rows,) codes, each different value looked up once."""
    if isinstance(cells, Words):
        places = cells.places
        known: Sequence[Any] = cells.words
    elif isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        known, places = find_values(cells)
    else:
        return np.fromiter(look_up(code, cells), dtype, len(cells))
    # `take` is twice as fast as an index, if it need not convert the places.
    return np.fromiter(map(code, known), dtype, len(known)).take(places.astype(np.intp, copy=False))


def find_values(cells: Array) -> tuple[Sequence[Any], Array]:
    """Values that hold all of a column of numbers, and the place of each cell among them. A range need not be sorted."""
    if cells.dtype.kind == "i" and len(cells):
        low, high = int(cells.min()), int(cells.max())
        if high - low < len(cells):
            return range(low, high + 1), cells.astype(np.int64, copy=False) - low
    values, places = np.unique(cells, return_inverse=True)
    return values.tolist(), places


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
