"""The short way in: JSON records with exactly the columns that are expected, read and checked in one step.

A decoder made for the signature knows every cell's type while it reads it, which takes a third of the time of reading
first and checking after. It gives up (None) at anything else: another form, a bad cell, a column too many. Then the
general decoder decides, so the rules and the words of every refusal are in one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from itertools import chain
from types import GenericAlias
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec.structs import astuple

from modelserve.cells import EXACT
from modelserve.payloads import Limits
from modelserve.payloads.invocations import FORMS
from modelserve.signature import Column, Signature

LONG = Annotated[int, msgspec.Meta(ge=-EXACT, le=EXACT)]  # greater ones need a closer look
INTEGER = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
CELLS: Final[dict[str, Any]] = {
    "string": str,
    "boolean": bool,
    "long": LONG,
    "integer": INTEGER,
    "double": LONG | float,
}
SCALAR = str | int | float | bool | None
RECORDS: Final = ("dataframe_records", "instances")
FORM: Final = re.compile(rb'\{\s*"(dataframe_records|instances)"')
# A client sends the same extra columns again and again; so many sets of them get a decoder.
MOST_SHAPES: Final = 8
MOST_EXTRA: Final = 16
# Bytes of a body to learn from: it is decoded once more, and the names in it are kept.
MOST_LEARNT: Final = 128 << 10
# To make types of so many categories takes less than a tenth of a second, while a version is loaded.
MOST_CATEGORIES: Final = 4_096
Categories = Mapping[str, Mapping[str, str]]


class Typed(msgspec.Struct, frozen=True, gc=False):
    """Checked records. `columns_of` brings those of one or more of them into columns."""

    records: Sequence[Any]
    extra: int
    form: str | None
    """One of RECORDS, or None for plain records."""
    single: bool = False
    coded: bool = False
    """Whether the texts of the columns with categories are their codes."""


def columns_of(records: Iterable[Any]) -> list[tuple[Any, ...]]:
    """A cell per record and column: first the signature's columns in their order, then the extra ones. None for null."""
    return list(zip(*map(astuple, records), strict=True))


class Category(StrEnum):
    """A text that is read as another: its code."""

    def __new__(cls, text: str, code: str) -> Category:
        made = str.__new__(cls, code)
        made._value_ = text
        return made


class TypedDecoder:
    """For one signature. Raises ValueError when the signature has what only the general decoder knows.

    `categories` has the code of each text that a column mostly holds. Records of nothing else are read as codes, which
    saves making the texts and looking them up.
    """

    def __init__(self, signature: Signature, limits: Limits, categories: Categories | None = None) -> None:
        kinds = {column.kind.name for column in signature.columns}
        if signature.params or not signature.named or kinds - CELLS.keys() or limits.depth < 4:
            raise ValueError("the general decoder only")
        if set(signature.names) & set(FORMS):
            raise ValueError("a column is called as a form is")
        self.columns = signature.columns
        self.limits = limits
        known = {name: codes for name, codes in (categories or {}).items() if codes}
        few = known if sum(map(len, known.values())) <= MOST_CATEGORIES else {}
        self.coded = few.keys()
        # Made once: a type of thousands of categories takes a tenth of a second and megabytes.
        self._cells = [
            (cell_types(self.columns, categories), bool(categories)) for categories in ([few, {}] if few else [{}])
        ]
        self.shapes = self._shapes(())

    def _shapes(self, extra: tuple[str, ...]) -> list[Shape]:
        return [Shape(self.columns, types, extra, coded) for types, coded in self._cells]

    def decode(self, data: bytes, plain: bool) -> Typed | None:
        """`plain` says whether records may come without a form around them."""
        form = form_of(data)
        if form is None and not plain:
            return None
        for shape in self.shapes:
            typed = shape.decode(data, form)
            if typed is not None:
                within = 0 < len(typed.records) <= self.limits.rows and shape.width <= self.limits.columns
                return typed if within else None
        return None

    def learn(self, data: bytes) -> None:
        """Told of a body that the general decoder took, whose records had columns that the signature has not."""
        if len(data) > MOST_LEARNT or len(self.shapes) >= MOST_SHAPES * len(self._cells):
            return
        form, value = form_of(data), msgspec.json.decode(data)
        if form is not None:
            value = value[form]
        record = value[0] if type(value) is list and value else value
        if type(record) is not dict:
            return
        names = {column.name for column in self.columns}
        extra = tuple(sorted(name for name in record if name not in names))  # a decoder takes them in any order
        known = {shape.extra for shape in self.shapes}
        # A list of records may have a column that is called as a form is; one record with it is a form.
        if 0 < len(extra) <= MOST_EXTRA and extra not in known and not set(extra) & set(FORMS):
            with suppress(ValueError):  # a name that no decoder can have
                self.shapes = self._shapes(extra) + self.shapes


def form_of(data: bytes) -> str | None:
    found = FORM.match(data)
    return str(found[1], "ascii") if found else None


class Shape:
    """Decoders of records with all columns of the signature and `extra` ones, and no others."""

    def __init__(self, columns: Sequence[Column], cells: Sequence[Any], extra: tuple[str, ...], coded: bool) -> None:
        names = [*(column.name for column in columns), *extra]
        places = [f"c{place}" for place in range(len(names))]
        types = [*cells, *[SCALAR for _ in extra]]
        record = msgspec.defstruct(
            "Record", list(zip(places, types, strict=True)), rename=dict(zip(places, names, strict=True)),
            forbid_unknown_fields=True, gc=False,
        )  # fmt: skip
        self.extra = extra
        self.coded = coded
        self.width = len(names)
        self.named_colons = sum(name.count(":") for name in names)
        self.one = msgspec.json.Decoder(record)
        self.many = msgspec.json.Decoder(GenericAlias(list, (record,)))
        self.forms: dict[str, Any] = {form: msgspec.json.Decoder(form_struct(form, record)) for form in RECORDS}

    def decode(self, data: bytes, form: str | None) -> Typed | None:
        single = form is None and data[:1] == b"{"
        try:
            if form is not None:
                records = self.forms[form].decode(data).records
            else:
                records = [self.one.decode(data)] if single else self.many.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if not self._each_key_once(data, records, form):
            return None
        return Typed(records, len(self.extra), form, single, self.coded)

    def _each_key_once(self, data: bytes, records: Sequence[Any], form: str | None) -> bool:
        """Every key is followed by a colon: as many colons as keys leave no room for a key that came twice."""
        beyond = count_colons(data) - self.width * len(records) - (form is not None)
        if beyond and b"\\" not in data:  # an escape may stand for a colon
            cells = chain.from_iterable(map(astuple, records))
            beyond -= sum(text_of(cell).count(":") for cell in cells if isinstance(cell, str))
            beyond -= self.named_colons * len(records)
        return beyond == 0


def cell_types(columns: Sequence[Column], categories: Categories) -> list[Any]:
    return [cell_type(column, categories.get(column.name)) for column in columns]


def cell_type(column: Column, codes: Mapping[str, str] | None) -> Any:
    cell = category_type(codes) if codes else CELLS[column.kind.name]
    return cell if column.required else cell | None


def category_type(codes: Mapping[str, str]) -> Any:
    members = {f"c{place}": (text, code) for place, (text, code) in enumerate(codes.items())}
    return Category("Text", members)  # type: ignore[arg-type]  # the members of an enum that is made by calling it


def form_struct(form: str, record: type) -> type:
    records = GenericAlias(list, (record,))  # list[record], of a type that is made here
    return msgspec.defstruct("Form", [("records", records)], rename={"records": form}, forbid_unknown_fields=True)


def text_of(cell: str) -> str:
    return str(cell.value) if isinstance(cell, Category) else cell


def count_colons(data: bytes) -> int:
    if len(data) < 4_096:
        return data.count(b":")
    return int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == ord(":")))  # three times as fast
