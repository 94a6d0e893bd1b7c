"""Counts cells with a category that the model has never seen but still scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelserve.schema.types import Array
from modelserve_control.batch.files.chunks import as_values, is_text

NEARLY_ALL: Final = 0.95


@dataclass
class ColumnTexts:
    """Of one column: its texts in scored rows, those of them that the model has never seen, and the first of these."""

    texts: int = 0
    unknown: int = 0
    first: str | None = None

    def add(self, other: ColumnTexts) -> None:
        self.texts, self.unknown = self.texts + other.texts, self.unknown + other.unknown
        self.first = other.first if self.first is None else self.first


class UnknownCategories:
    """`categories` are those of each column; a column without an entry takes any text."""

    def __init__(self, categories: Mapping[str, Sequence[str]]) -> None:
        self.known = {name: pa.array(texts, pa.string()) for name, texts in categories.items()}

    def count(self, columns: Mapping[str, Any], without: Collection[int]) -> dict[str, ColumnTexts]:
        """Columns are arrays or sequences of Python values. Rows in `without` are left out."""
        found = {}
        for name, known in self.known.items():
            if name not in columns:
                continue
            values = columns[name]
            if not isinstance(values, pa.Array):
                values = pa.array([value if isinstance(value, str) else None for value in values], pa.string())
            if isinstance(values, pa.DictionaryArray) and values.dictionary.null_count:
                values = values.dictionary_decode()
            if (mask := unknown_mask(values, known)) is not None:
                found[name] = count_texts(values, mask, list(without))
        return found


def count_texts(values: pa.Array, mask: Array, without: list[int]) -> ColumnTexts:
    mask[without] = False
    left_out = values.take(pa.array(without, pa.int64()))
    texts = len(values) - values.null_count - (len(left_out) - left_out.null_count)
    unknown = int(np.count_nonzero(mask))
    return ColumnTexts(texts, unknown, values[int(mask.argmax())].as_py() if unknown else None)


def find_warnings(columns: Mapping[str, ColumnTexts], categories: Mapping[str, Sequence[str]]) -> list[str]:
    """A sentence for each column whose texts are of another form than those of the training, as 231.0 is for 231."""
    return [
        f"the model has never seen {one.unknown:,} of the {one.texts:,} texts of {name}, such as {one.first!r}; "
        f"one that it knows is {min(categories[name], default='')!r}"
        for name, one in columns.items()
        if one.unknown and one.unknown >= NEARLY_ALL * one.texts
    ]


def unknown_mask(values: pa.Array, known: pa.Array) -> Array | None:
    """True for each unknown text; a null is not one. None if no value is a text."""
    if isinstance(values, pa.DictionaryArray):
        words = unknown_mask(values.dictionary, known)
        if words is None:
            return None
        places = values.indices
        mask: Array = words[places.fill_null(0).to_numpy()] if len(words) else np.zeros(len(values), dtype=bool)
        if places.null_count:
            mask &= places.is_valid().to_numpy(zero_copy_only=False)
        return mask
    if not is_text(values.type):
        return None
    unknown = pc.and_(pc.invert(pc.is_in(as_values(values), value_set=known)), values.is_valid())
    found: Array = unknown.to_numpy(zero_copy_only=False)
    return np.array(found)
