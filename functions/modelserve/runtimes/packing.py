"""What a compiled graph is fed: every number in one tensor, every known category as a code in another.

A call of ONNX Runtime costs about a microsecond per input and some fifty nanoseconds per text, so texts that are only
looked up are looked up here, and the graph takes their codes. `modelserve_control.compile.packing` writes such graphs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Final

import numpy as np

from modelserve.cells import Array, objects
from modelserve.errors import BadCells
from modelserve.signature import Batch

# What a null text is fed as. U+FFFF and U+FFFE are noncharacters: legal in UTF-8, and never part of a text that anyone
# interchanges (Unicode 23.7).
NULL_TEXT: Final = "\uffff\ufffenull"
EXACT: Final = 1 << 53  # the greatest whole number up to which a double keeps every one
CODE: Final = np.dtype("<i8")
NUMBERS, CODES = "numbers", "codes"


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
    """Which columns go where. `numbers` has the columns of the tensor (rows, sum of widths) in order, `lookups` those of
    the tensor (rows, lookups) of codes, and `texts` those that are a (rows, 1) tensor of their own."""

    numbers: Sequence[Input]
    lookups: Sequence[Lookup]
    texts: Mapping[str, Input]
    """By the name of the tensor."""

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Plan:
        raw = json.loads(text)
        lookups = [Lookup(**{**lookup, "column": Input(**lookup["column"])}) for lookup in raw["lookups"]]
        texts = {tensor: Input(**column) for tensor, column in raw["texts"].items()}
        return cls([Input(**column) for column in raw["numbers"]], lookups, texts)


class Codes(dict[Any, bytes]):
    """Category to code, in bytes so that many are joined at once. None is a category of its own, or another one."""

    def __init__(self, lookup: Lookup) -> None:
        super().__init__((key, code_bytes(code)) for key, code in zip(lookup.keys, lookup.codes, strict=True))
        self.other = code_bytes(lookup.other)
        self[None] = self.get(NULL_TEXT, self.other)

    def __missing__(self, key: Any) -> bytes:
        return self.other


def code_bytes(code: int) -> bytes:
    return code.to_bytes(CODE.itemsize, "little", signed=True)


class Packing:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._code_of = [Codes(lookup).__getitem__ for lookup in plan.lookups]

    def of_batch(self, batch: Batch) -> dict[str, Array]:
        """Tensors by name. Raises BadCells for whole numbers that a double cannot keep."""
        plan, rows = self.plan, batch.rows
        feeds = {tensor: own_tensor(column, batch.columns[column.name]) for tensor, column in plan.texts.items()}
        if plan.numbers:
            parts = [doubles(column, batch.columns[column.name]) for column in plan.numbers]
            feeds[NUMBERS] = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if plan.lookups:
            cells = [batch.columns[lookup.column.name].tolist() for lookup in plan.lookups]
            feeds[CODES] = self.coded(cells, rows)
        return feeds

    def categories(self) -> dict[str, set[str]]:
        """The texts that are looked up, by the columns of which nothing else is asked."""
        own = {column.name for column in self.plan.texts.values()}
        known: dict[str, set[str]] = {}
        for lookup in self.plan.lookups:
            if lookup.column.kind == "string" and lookup.column.name not in own:
                known.setdefault(lookup.column.name, set()).update(lookup.keys)
        return known

    def packer(self, names: Sequence[str]) -> Callable[[Sequence[Sequence[Any]], int], dict[str, Array]]:
        """What makes tensors of checked Python values (text, bool, float, None, or int up to 2**53): a sequence of so
        many rows per column of `names`."""
        places = {name: place for place, name in enumerate(names)}
        numbers = [places[column.name] for column in self.plan.numbers]
        coded = [places[lookup.column.name] for lookup in self.plan.lookups]
        texts = [(tensor, column, places[column.name]) for tensor, column in self.plan.texts.items()]

        def pack(columns: Sequence[Sequence[Any]], rows: int) -> dict[str, Array]:
            feeds = {}
            if numbers:
                cells = np.array(list(chain.from_iterable([columns[place] for place in numbers])), dtype=np.float64)
                feeds[NUMBERS] = np.ascontiguousarray(cells.reshape(-1, rows).T)
            if coded:
                feeds[CODES] = self.coded([columns[place] for place in coded], rows)
            for tensor, column, place in texts:
                feeds[tensor] = own_tensor(column, objects(columns[place]))
            return feeds

        return pack

    def coded(self, columns: Sequence[Sequence[Any]], rows: int) -> Array:
        """(rows, lookups) codes."""
        found = b"".join(chain.from_iterable(map(map, self._code_of, columns)))
        return np.ascontiguousarray(np.frombuffer(found, dtype=CODE).reshape(-1, rows).T)


def own_tensor(column: Input, values: Array) -> Array:
    """(rows, 1) of texts."""
    if column.nullable or column.lower:
        changed = [NULL_TEXT if text is None else text.lower() if column.lower else text for text in values]
        values = np.array(changed, dtype=object)
    return values.reshape(-1, 1)


def doubles(column: Input, values: Array) -> Array:
    """(rows, width). None, which booleans beside nulls have, becomes NaN."""
    if column.exact_integers and values.dtype.kind == "i":
        refuse_inexact(column, values)
    numbers = values if values.dtype == np.float64 else values.astype(np.float64)
    return numbers.reshape(len(values), column.width)


def refuse_inexact(column: Input, values: Array) -> None:
    """A double keeps whole numbers up to 2**53 only, and a compiled model is fed doubles."""
    rows = np.unique(np.nonzero((values > EXACT) | (values < -EXACT))[0])
    if rows.size:
        details = [
            {"row": int(row), "column": column.name, "reason": "above 2**53, which this compiled model rounds"}
            for row in rows
        ]
        raise BadCells(f"{rows.size} cells do not fit the compiled model.", details)
