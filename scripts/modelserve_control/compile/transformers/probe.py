"""The output of a fitted encoder for each category. Calling the encoder itself covers grouping, dropping and nulls."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from modelserve.models.compiled.packing import NULL_TEXT
from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array
from modelserve_control.compile.onnx.lookup import text_flags

UNKNOWN_TEXT: Final = "\uffff\ufffeunknown"


@dataclass(frozen=True, slots=True)
class EncodedColumn:
    """For one column: the output for each category and for any other value. None if the encoder raises."""

    known: dict[Any, Array | None]
    other: Array | None


def probe_encoder(model: Any, features: Features, widths: Sequence[int]) -> list[EncodedColumn]:
    """`widths`: the number of output columns of each input column. Raises CannotCompile."""
    texts, categories = text_flags(features), [list(column) for column in model.categories_]
    known = [tuple(c for c in column if not is_null(c)) for column in categories]
    for text, column in zip(texts, known, strict=True):
        check_categories(model, text, column)
    first = [column[0] if column else np.nan for column in categories]
    rows = [
        [column[min(row, len(column) - 1)] if column else np.nan for column in known]
        for row in range(max(map(len, known)))
    ]
    ends = np.cumsum([0, *widths])
    asked = transform_rows(model, texts, rows) if rows else np.zeros((0, ends[-1]))
    if asked is None:
        raise refuse(model, "rejects its own categories")
    found = []
    for place, (text, column) in enumerate(zip(texts, known, strict=True)):
        mine = slice(ends[place], ends[place + 1])
        greatest = 0.0 if text else max((abs(float(value)) for value in column), default=0.0)
        special = [
            transform_rows(model, texts, [[*first[:place], value, *first[place + 1 :]]])
            for value in (np.nan, UNKNOWN_TEXT if text else 2 * greatest + 0.5)
        ]
        null, other = (None if out is None else out[0, mine] for out in special)
        table: dict[Any, Array | None] = {
            category_key(text, value): asked[row, mine] for row, value in enumerate(column)
        }
        found.append(EncodedColumn(table | {category_key(text, np.nan): null}, other))
    return found


def transform_rows(model: Any, texts: Sequence[bool], rows: Sequence[Sequence[Any]]) -> Array | None:
    columns = [make_series(text, [row[i] for row in rows]) for i, text in enumerate(texts)]
    names = getattr(model, "feature_names_in_", range(len(columns)))
    frame = pd.DataFrame(dict(zip(names, columns, strict=True)))
    data = frame if hasattr(model, "feature_names_in_") else frame.to_numpy(dtype=object if any(texts) else float)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown category is encoded as zeros
            made = model.transform(data)
        return np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=float)
    except (ValueError, TypeError):
        return None
    except MemoryError as error:
        raise refuse(model, f"has too many categories to encode each of them ({len(rows):,})") from error


def make_series(text: bool, values: Sequence[Any]) -> pd.Series[Any]:
    """As in a DataFrame of the server: a null text is the NaN of the text type of pandas."""
    return pd.Series(values, dtype="str") if text else pd.Series(np.array(values, dtype=float))


def check_categories(model: Any, text: bool, column: Sequence[Any]) -> None:
    if any(isinstance(value, str) != text for value in column):
        raise refuse(model, "has text categories in a number column, or numbers in a text column")
    if text and any("\uffff" in value for value in column):
        raise refuse(model, "has a category with the character U+FFFF, which is reserved for nulls")


def is_null(value: Any) -> bool:
    return value is None or value is pd.NA or value != value


def category_key(text: bool, value: Any) -> Any:
    if is_null(value):
        return NULL_TEXT if text else np.nan  # always the same object, because NaN is not equal to itself
    return str(value) if text else float(value)
