"""What a model gives as Arrow arrays, without a Python value for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from modelserve.models.version import Loaded
from modelserve.schema.types import Array


def answer_arrays(
    loaded: Loaded, outputs: Mapping[str, Any], method: str | None, answers: Mapping[str, pa.DataType]
) -> list[pa.Array] | None:
    """The columns `answers`. None for what is not an array, or has another type than the column."""
    values = [outputs[name] for name in outputs]
    if any(not isinstance(value, np.ndarray) for value in values):
        return None
    try:
        found = classifier_arrays(loaded, values) if method is None and len(values) > 1 else [build_array(values[0])]
        return [exact_cast(array, kind) for array, kind in zip(found, answers.values(), strict=True)]
    except (pa.ArrowException, ValueError, TypeError):
        return None


def classifier_arrays(loaded: Loaded, values: Sequence[Array]) -> list[pa.Array]:
    """In the order of `predictions.results`."""
    labels, shares = values
    found = [build_array(labels), *(build_array(share) for share in shares.T)]
    shown, names = loaded.presentation, loaded.class_names or ()
    if shown.positive_class in names:
        share = shares[:, names.index(shown.positive_class)]
        found += [build_array(share), pa.array(share >= shown.threshold)]
    return found


def build_array(values: Array) -> pa.Array:
    """What is not finite is null, as in JSON. Rows of numbers are lists."""
    if values.dtype.kind not in "biufUO" or values.ndim > 2 or (values.ndim > 1 and values.dtype.kind not in "iuf"):
        raise TypeError(f"arrays of {values.dtype} are not built")
    flat = values.ravel()
    if values.dtype.kind == "f":
        flat = flat.astype(np.float64, copy=False)
        finite = np.isfinite(flat)
        array = pa.array(flat) if finite.all() else pa.array(flat, mask=~finite)
    else:
        array = pa.array(flat)
        if values.dtype.kind == "O" and array.type != pa.string():
            raise TypeError("only texts are built of Python's values")
    if values.ndim == 1:
        return array
    width = values.shape[1]
    return pa.ListArray.from_arrays(np.arange(0, len(flat) + 1, width, dtype=np.int32), array)


def exact_cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Raises TypeError between kinds of values, ArrowInvalid for a value that the type cannot hold."""
    if array.type == kind:
        return array
    numbers = [pa.types.is_integer(one) or pa.types.is_floating(one) for one in (array.type, kind)]
    if not all(numbers):
        raise TypeError(f"{array.type} is not {kind}")
    return array.cast(kind)
