"""What `rows.c` is told: where each column's cells go, as structures that both sides know."""

from __future__ import annotations

import ctypes
import json
import logging
import struct
from collections.abc import Collection
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np

from modelserve.models.compiled.packing import Codes, Packing
from modelserve.payloads.mlflow import FORMS
from modelserve.schema.signature import Signature
from modelserve.schema.types import Array

logger = logging.getLogger(__name__)

LIBRARY: Final = Path(__file__).with_name("rows.binary")
SOURCES: Final = ("rows.c", "rows_json.h", "rows_plan.py")
FEW: Final = 1_000  # keys
CELLS: Final = ("string", "boolean", "integer", "long", "double")  # as `enum cell` in rows.c


class Slot(Structure):
    _fields_ = (("first", c_uint64), ("start", c_uint32), ("size", c_uint32), ("code", c_int64))


class Table(Structure):
    _fields_ = (("keys", c_char_p), ("slots", POINTER(Slot)), ("mask", c_uint64), ("other", c_int64), ("null", c_int64))


class Column(Structure):
    _fields_ = (
        ("key", c_char_p), ("key_first", c_uint64), ("length", c_int64), ("cell", c_int64), ("nullable", c_int64),
        ("number", c_int64), ("text", c_int64), ("first", c_int64), ("codes", c_int64),
    )  # fmt: skip


class Lookup(Structure):
    _fields_ = (("table", POINTER(Table)), ("place", c_int64))


class Plan(Structure):
    _fields_ = (
        ("columns", POINTER(Column)), ("lookups", POINTER(Lookup)), ("names", POINTER(Table)), ("forms", POINTER(Table)),
        ("columns_count", c_int64), ("numbers_width", c_int64), ("codes_width", c_int64), ("texts_width", c_int64),
        ("most_rows", c_int64), ("most_extra", c_int64),
        ("numbers", POINTER(c_double)), ("codes", POINTER(c_int64)), ("texts", POINTER(c_int32)),
        ("seen", POINTER(c_int64)), ("follows", POINTER(c_int64)), ("records", c_int64),
        ("rows", c_int64), ("form", c_int64), ("single", c_int64), ("extra", c_int64),
    )  # fmt: skip


def digest(folder: Path) -> bytes | None:
    """Of what the library is made from, in hexadecimal; None where that is not kept, as in a version that is deployed."""
    try:
        return b"%08x" % crc32(b"".join((folder / name).read_bytes() for name in SOURCES))
    except OSError:
        return None


def is_current(loaded: Any) -> bool:
    """Whether it was made from the sources beside it: of others, it would write where it must not."""
    wanted = digest(LIBRARY.parent)
    try:
        return wanted is None or (ctypes.c_char * len(wanted)).in_dll(loaded, "made_from").raw == wanted
    except ValueError:  # it does not say
        return False


@cache
def library() -> Any:
    """None where it has not been made, or not for this machine, or not of these sources."""
    try:
        # Called in passing: giving up the interpreter's lock costs more than it gains.
        loaded = ctypes.PyDLL(str(LIBRARY))
    except OSError:
        logger.warning("%s is not there or not for this machine: records are read the general way", LIBRARY.name)
        return None
    if not is_current(loaded):
        logger.warning(
            "%s is of other sources: records are read the general way until scripts/setup has run", LIBRARY.name
        )
        return None
    loaded.put_key.argtypes = [POINTER(Table), c_uint32, c_uint32, c_int64]
    loaded.put_key.restype = None
    loaded.read_rows.argtypes = [c_void_p, c_char_p, c_int64, c_int64, c_int64]
    loaded.read_rows.restype = c_int64
    return loaded


class Kept(NamedTuple):
    """What a plan points to."""

    numbers: Array
    codes: Array
    texts: Array
    """(rows, texts, 2): where each starts and ends in its body."""
    others: tuple[Any, ...]


def made_plan(signature: Signature, packing: Packing, most_rows: int) -> tuple[Plan, Kept]:
    names, plan = signature.names, packing.plan
    numbers = {column.name: place for place, column in enumerate(plan.numbers)}
    texts = {column.name: place for place, column in enumerate(plan.texts.values())}
    looked_up = {
        name: [place for place, lookup in enumerate(plan.lookups) if lookup.column.name == name] for name in names
    }
    if len(numbers) < len(plan.numbers) or len(texts) < len(plan.texts):
        raise ValueError("a column is fed twice")

    tables = [category_table(codes) for codes in packing.codes]
    places = [place for name in names for place in looked_up[name]]
    lookups = (Lookup * len(places))(*[Lookup(ctypes.pointer(tables[place]), place) for place in places])
    columns = (Column * len(names))()
    first = 0
    for at, column in zip(columns, signature.columns, strict=True):
        key = json.dumps(column.name, ensure_ascii=False).encode()
        at.key, at.key_first, at.length = key, int.from_bytes(key[:8], "little"), len(key)
        at.cell, at.nullable = CELLS.index(column.kind.name), not column.required
        at.number, at.text = numbers.get(column.name, -1), texts.get(column.name, -1)
        at.first, at.codes = first, len(looked_up[column.name])
        first += at.codes
    spelled = [(b'"%s"' % spelling, place) for place, name in enumerate(names) for spelling in spellings(name)]
    keys = table(spelled)
    forms = table([(form.encode(), place) for place, form in enumerate(FORMS)])

    kept = Kept(
        np.zeros((most_rows, len(plan.numbers))),
        np.zeros((most_rows, len(plan.lookups)), dtype=np.int64),
        np.zeros((most_rows, len(plan.texts), 2), dtype=np.int32),
        (columns, lookups, tables, keys, forms, np.zeros(len(names), dtype=np.int64), np.zeros(len(names) + 1, dtype=np.int64)),
    )  # fmt: skip
    *_, seen, follows = kept.others
    follows[:-1] = [(place + 1) % len(names) for place in range(len(names))]
    made = Plan(
        columns=columns, lookups=lookups, names=ctypes.pointer(keys), forms=ctypes.pointer(forms),
        columns_count=len(names), numbers_width=len(plan.numbers), codes_width=len(plan.lookups), texts_width=len(plan.texts),
        most_rows=most_rows, numbers=kept.numbers.ctypes.data_as(POINTER(c_double)), codes=kept.codes.ctypes.data_as(POINTER(c_int64)),
        texts=kept.texts.ctypes.data_as(POINTER(c_int32)),
        seen=seen.ctypes.data_as(POINTER(c_int64)), follows=follows.ctypes.data_as(POINTER(c_int64)),
    )  # fmt: skip
    return made, kept


def table(keys: Collection[tuple[bytes, int]], other: int = -1, null: int = -1) -> Table:
    # At least three quarters stay free where there are few: two keys that want one slot cost more than finding either.
    capacity = 1 << (len(keys) * 4 if len(keys) <= FEW else len(keys) * 3 // 2).bit_length()
    made = Table(b"".join(key for key, _ in keys), (Slot * capacity)(), capacity - 1, other, null)
    start = 0
    for key, code in keys:
        library().put_key(made, start, len(key), code)
        start += len(key)
    return made


def category_table(codes: Codes) -> Table:
    """The code of each category, by the ways in which a body can spell it."""
    spelled = [(key, ord(code)) for category, code in codes.items() for key in spellings(category)]
    return table(spelled, ord(codes.other), ord(codes[None]))


def spellings(category: Any) -> set[bytes]:
    """A text as JSON has it, with and without escapes; the bytes of a number. What no cell can be has none."""
    if category is None:
        return set()
    if isinstance(category, str):
        if any("\ud800" <= letter <= "\udfff" for letter in category):
            return set()
        return {json.dumps(category, ensure_ascii=escaped)[1:-1].encode() for escaped in (True, False)}
    try:
        number = float(category)
    except OverflowError:
        return set()
    return {struct.pack("=d", number + 0.0)} if number == category else set()  # negative zero is equal to zero
