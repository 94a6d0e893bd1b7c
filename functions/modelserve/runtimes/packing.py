"""What a compiled graph is fed: every number in one tensor, every known category as a code in another.

A call of ONNX Runtime costs about a microsecond per input and some fifty nanoseconds per text, so texts that are only
looked up are looked up here, and the graph takes their codes. `modelserve_control.compile.packing` writes such graphs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
CODE: Final = np.dtype("<i4")
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
class Plan:
    """Which columns go where. `numbers` has the columns of the tensor (rows, sum of widths) in order, `coded` those of
    the tensor (rows, columns) of places in `keys`, and `texts` those that are a (rows, 1) tensor of their own."""

    numbers: tuple[Input, ...]
    coded: tuple[Input, ...]
    keys: tuple[str, ...]
    texts: Mapping[str, Input]
    """By the name of the tensor."""

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Plan:
        raw = json.loads(text)
        numbers, coded = (tuple(Input(**column) for column in raw[part]) for part in ("numbers", "coded"))
        texts = {tensor: Input(**column) for tensor, column in raw["texts"].items()}
        return cls(numbers, coded, tuple(raw["keys"]), texts)


class Codes(dict[Any, bytes]):
    """Category to code, four bytes each so that many are joined at once; whatever is not known has the last one."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__((key, code_bytes(place)) for place, key in enumerate(keys))
        self.other = code_bytes(len(keys))
        self[None] = self.get(NULL_TEXT, self.other)

    def __missing__(self, key: Any) -> bytes:
        return self.other


def code_bytes(code: int) -> bytes:
    return code.to_bytes(CODE.itemsize, "little")


class Packing:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.codes = Codes(plan.keys)

    def of_batch(self, batch: Batch) -> dict[str, Array]:
        """Tensors by name. Raises BadCells for whole numbers that a double cannot keep."""
        plan, rows = self.plan, batch.rows
        feeds = {tensor: own_tensor(column, batch.columns[column.name]) for tensor, column in plan.texts.items()}
        if plan.numbers:
            parts = [doubles(column, batch.columns[column.name]) for column in plan.numbers]
            feeds[NUMBERS] = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if plan.coded:
            feeds[CODES] = self.coded([batch.columns[column.name].tolist() for column in plan.coded], rows)
        return feeds

    def packer(self, names: Sequence[str]) -> Callable[[Sequence[Sequence[Any]], int], dict[str, Array]]:
        """What makes tensors of checked Python values (text, bool, float, None, or int up to 2**53): a sequence of so
        many rows per column of `names`."""
        places = {name: place for place, name in enumerate(names)}
        numbers = [places[column.name] for column in self.plan.numbers]
        coded = [places[column.name] for column in self.plan.coded]
        texts = [(tensor, column, places[column.name]) for tensor, column in self.plan.texts.items()]

        def pack(columns: Sequence[Sequence[Any]], rows: int) -> dict[str, Array]:
            feeds = {}
            if numbers:
                cells = np.array([cell for place in numbers for cell in columns[place]], dtype=np.float64)
                feeds[NUMBERS] = np.ascontiguousarray(cells.reshape(-1, rows).T)
            if coded:
                feeds[CODES] = self.coded([columns[place] for place in coded], rows)
            for tensor, column, place in texts:
                feeds[tensor] = own_tensor(column, objects(columns[place]))
            return feeds

        return pack

    def coded(self, columns: Iterable[Sequence[Any]], rows: int) -> Array:
        """(rows, columns) places in the plan's keys."""
        found = b"".join(map(self.codes.__getitem__, chain.from_iterable(columns)))
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
