"""What an encoder gives for each category: it is asked itself, so that grouping, dropping and nulls are its own."""

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
from modelserve_control.compile.onnx.lookup import kinds

UNKNOWN_TEXT: Final = "\uffff\ufffeunknown"


@dataclass(frozen=True, slots=True)
class Answers:
    """One column: what the encoder makes of each category and of any other. None: it raises."""

    known: dict[Any, Array | None]
    other: Array | None


def answers(model: Any, features: Features, widths: Sequence[int]) -> list[Answers]:
    """`widths`: how many output columns each input column has. Raises CannotCompile."""
    texts, categories = kinds(features), [list(column) for column in model.categories_]
    known = [tuple(c for c in column if not is_null(c)) for column in categories]
    for text, column in zip(texts, known, strict=True):
        check(model, text, column)
    first = [column[0] if column else np.nan for column in categories]
    rows = [
        [column[min(row, len(column) - 1)] if column else np.nan for column in known]
        for row in range(max(map(len, known)))
    ]
    ends = np.cumsum([0, *widths])
    asked = ask(model, texts, rows) if rows else np.zeros((0, ends[-1]))
    if asked is None:
        raise refuse(model, "refuses categories of its own")
    found = []
    for place, (text, column) in enumerate(zip(texts, known, strict=True)):
        mine = slice(ends[place], ends[place + 1])
        special = [
            ask(model, texts, [[*first[:place], value, *first[place + 1 :]]])
            for value in (np.nan, unknown(text, column))
        ]
        null, other = (None if out is None else out[0, mine] for out in special)
        table: dict[Any, Array | None] = {key(text, value): asked[row, mine] for row, value in enumerate(column)}
        found.append(Answers(table | {key(text, np.nan): null}, other))
    return found


def ask(model: Any, texts: Sequence[bool], rows: Sequence[Sequence[Any]]) -> Array | None:
    columns = [column_of(text, [row[i] for row in rows]) for i, text in enumerate(texts)]
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
        raise refuse(model, f"has too many categories to be asked about each ({len(rows):,})") from error


def column_of(text: bool, values: Sequence[Any]) -> pd.Series[Any]:
    """As a DataFrame of the server's has it: a null text is the NaN of pandas' own type for text."""
    return pd.Series(values, dtype="str") if text else pd.Series(np.array(values, dtype=float))


def check(model: Any, text: bool, column: Sequence[Any]) -> None:
    if any(isinstance(value, str) != text for value in column):
        raise refuse(model, "has text categories in a column of numbers, or numbers in one of text")
    if text and any("\uffff" in value for value in column):
        raise refuse(model, "has a category that holds the character kept for nulls, U+FFFF")


def is_null(value: Any) -> bool:
    return value is None or value is pd.NA or value != value


def key(text: bool, value: Any) -> Any:
    if is_null(value):
        return NULL_TEXT if text else np.nan  # one and the same, as no nan is equal to another
    return str(value) if text else float(value)


def unknown(text: bool, column: Sequence[Any]) -> Any:
    if text:
        return UNKNOWN_TEXT
    return max((abs(float(value)) for value in column), default=0.0) * 2 + 0.5
