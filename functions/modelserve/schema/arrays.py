"""Columns that come as arrays, without a Python value for each cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelserve.schema.tensors import Tensor
from modelserve.schema.types import EXACT, Array, Boolean, ColumnType, FloatType, IntegerType


def fit(values: Array, kind: ColumnType) -> Array | None:
    """At least one value in the dtype of the column, if all of them plainly fit; otherwise each has to be looked at."""
    if isinstance(kind, Tensor):
        fitting = fit(values, kind.item) if kind.dtype != object and kind.fits(values.shape[1:]) else None
        return None if fitting is None else fitting.astype(kind.dtype, copy=False)
    if isinstance(kind, Boolean):
        return values if values.dtype == kind.dtype else None
    if values.dtype.kind not in "iuf" or not isinstance(kind, IntegerType | FloatType):
        return None
    is_float = values.dtype.kind == "f"
    if is_float and isinstance(kind, FloatType) and values.itemsize <= kind.dtype.itemsize:
        return values.astype(kind.dtype, copy=False) if np.isfinite(values).all() else None
    low, high = values.min().item(), values.max().item()  # of a NaN among them both are NaN, which is within no bounds
    if isinstance(kind, FloatType):
        most = kind.largest if is_float else kind.exact
        fits = -most <= low and high <= most
    else:
        fits = kind.low <= low and high <= kind.high
        fits = fits and (not is_float or (low > -EXACT and high < EXACT and bool((values == np.rint(values)).all())))
    return values.astype(kind.dtype, copy=False) if fits else None


def is_exact(values: Sequence[Any] | Array) -> bool:
    """Whether a double keeps each value."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "i":
        return True
    return bool(values.min() > -EXACT and values.max() < EXACT)
