"""What a model gives, checked against the rows of its input: counted, split into requests, and taken apart into rows.

`docs/http.md` has the table of what a model may return.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np

from modelserve.core.errors import ModelFailed
from modelserve.models.protocols import Runtime
from modelserve.payloads.predictions import JSON_SCALARS, by_row, is_sparse, jsonable
from modelserve.schema.batch import Batch

READABLE: Final = (np.ndarray, np.generic, list, tuple, Mapping, str, bytes, bytearray)
PROBABILITIES: Final = ("predict_proba", "predict_log_proba")


class RowsMismatch(ModelFailed):
    """The model's answer has other rows than it was asked, so no item of it is known to belong to a row."""

    def __init__(self, answers: int | None, rows: int) -> None:
        given = "an answer without rows" if answers is None else f"{answers} answer{'' if answers == 1 else 's'}"
        self.answers = answers
        self.missing = None if answers is None else rows - answers
        super().__init__(f"The model gave {given} to {rows} row{'' if rows == 1 else 's'}.")


def score_rows(runtime: Runtime, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """The only way to a model: the output of each method. Raises ModelFailed, or whatever the model raises."""
    outputs = {method: readable(output) for method, output in runtime.score(batch, methods, params).items()}
    for method, output in outputs.items():
        check_rows(output, batch.rows, method)
    return outputs


def readable(output: Any) -> Any:
    """Tables and arrays of other libraries, and pandas' own arrays, as a frame or an array. Raises ModelFailed for what
    could only be shown as Python shows it, as a generator."""
    if isinstance(output, READABLE) or is_sparse(output) or hasattr(output, "iloc"):
        return output
    if hasattr(output, "to_pandas"):
        return output.to_pandas()
    if hasattr(output, "__array__"):
        return np.asarray(output)
    if isinstance(output, Iterable):
        raise ModelFailed(
            f"The model gave a value of the type {type(output).__name__}; an answer is a list, an array, a table or an object."
        )
    return output


def check_rows(output: Any, rows: int, method: str) -> None:
    """Raises RowsMismatch. An output without rows, as a sum over all of them, passes: whoever needs one answer per row
    asks for each row by itself. One row may be answered by several items, which are its answer."""
    for part in output if has_parts(output, method) else [output]:
        count = count_rows(part)
        if count is not None and count != rows and (rows > 1 or not count):
            raise RowsMismatch(count, rows)


def has_parts(output: Any, method: str) -> bool:
    """The probabilities of several outputs: a list of arrays, each with all rows."""
    return method in PROBABILITIES and holds_arrays(output)


def count_rows(output: Any) -> int | None:
    """How many rows an output has, or None when it has no rows that could be told apart."""
    if isinstance(output, np.ndarray) or is_sparse(output):
        return int(output.shape[0]) if output.ndim else None
    if isinstance(output, list | tuple):
        return None if holds_arrays(output) else len(output)
    if isinstance(output, Mapping):
        counts = {count_rows(column) if holds_arrays([column]) else None for column in output.values()}
        return counts.pop() if len(counts) == 1 else None
    return len(output) if hasattr(output, "iloc") else None


def holds_arrays(output: Any) -> bool:
    """A list of arrays has one per output, as scikit-learn's `predict_proba` of several outputs, not one per row."""
    if not isinstance(output, list | tuple):
        return False
    return any(hasattr(kind, "shape") and not issubclass(kind, np.generic) for kind in set(map(type, output)))


def row_values(output: Any, rows: int, method: str) -> list[Any]:
    """JSON values, one per row. Raises RowsMismatch."""
    if type(output) is np.ndarray and output.shape[:1] == (rows,):
        values: list[Any] = output.tolist()
        if output.dtype.kind in "biuf" or (output.ndim == 1 and JSON_SCALARS.issuperset(map(type, values))):
            return values
    check_rows(output, rows, method)
    if has_parts(output, method):
        return [list(row) for row in zip(*map(by_row, output), strict=True)]
    if count_rows(output) == rows:
        return by_row(output)
    if rows == 1:
        return [jsonable(output)]
    raise RowsMismatch(None, rows)


def split(output: Any, sizes: Sequence[int]) -> list[Any] | None:
    """One part per size, in order, or None when the output does not have one row per row of input."""
    if count_rows(output) != sum(sizes):
        return None
    ends = list(accumulate(sizes))
    if type(output) is np.ndarray:
        return [output[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    return [take(output, end - size, end) for end, size in zip(ends, sizes, strict=True)]


def join(parts: Sequence[Any], sizes: Sequence[int]) -> Any:
    """The output to all rows, from those to the rows of each part. None when one has not a row for each, or is of another
    form than the first: joining would change its values, or fail."""
    if any(count_rows(part) != size for part, size in zip(parts, sizes, strict=True)):
        return None
    first = parts[0]
    if any(form(part) != form(first) for part in parts[1:]):
        return None
    if isinstance(first, Mapping):
        return {name: join([part[name] for part in parts], sizes) for name in first}
    if isinstance(first, list | tuple):
        return [item for part in parts for item in part]
    if is_sparse(first):
        from scipy import sparse

        return sparse.vstack(parts) if first.ndim > 1 else None
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    # Of masked arrays numpy's own would keep what stands under the mask.
    concatenate: Any = np.ma.concatenate if isinstance(first, np.ma.MaskedArray) else np.concatenate
    return concatenate(parts)


def form(output: Any) -> Any:
    """Outputs of the same form are joined without a change. Texts of any length are alike."""
    kind = type(output)
    if isinstance(output, Mapping):
        return kind, [(name, form(column)) for name, column in output.items()]
    if isinstance(output, list | tuple):
        return kind
    if hasattr(output, "iloc"):
        names = list(output.columns) if output.ndim > 1 else output.name
        return kind, names, list(output.dtypes) if output.ndim > 1 else output.dtype
    return kind, "text" if output.dtype.kind in "US" else output.dtype, output.shape[1:]


def take(output: Any, start: int, end: int) -> Any:
    if isinstance(output, Mapping):
        return {name: take(column, start, end) for name, column in output.items()}
    if is_sparse(output):
        return output.tocsr()[start:end]
    part = output.iloc[start:end] if hasattr(output, "iloc") else output[start:end]
    return part.reset_index(drop=True) if hasattr(part, "reset_index") else part
