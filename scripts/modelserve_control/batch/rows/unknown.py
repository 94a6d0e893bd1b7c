"""Counts cells with a category that the model has never seen but still scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelserve.schema.types import Array
from modelserve_control.batch.files.chunks import as_values, is_text


class UnknownCategories:
    """`categories` are those of each column; a column without an entry takes any text."""

    def __init__(self, categories: Mapping[str, Sequence[str]]) -> None:
        self.known = {name: pa.array(texts, pa.string()) for name, texts in categories.items()}

    def count(self, columns: Mapping[str, Any], without: Collection[int]) -> int:
        """Columns are arrays or sequences of Python values. Rows in `without` are left out."""
        found = 0
        for name, known in self.known.items():
            if name in columns and (mask := unknown_mask(columns[name], known)) is not None:
                mask[list(without)] = False
                found += int(np.count_nonzero(mask))
        return found


def unknown_mask(values: Any, known: pa.Array) -> Array | None:
    """True for each unknown text; a null is not one. None if no value is a text."""
    if not isinstance(values, pa.Array):
        values = pa.array([value if isinstance(value, str) else None for value in values], pa.string())
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
