"""A merged output split back into its requests, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def rows_of(output: Any) -> int | None:
    """How many rows an output has, or None when it has no rows that could be told apart."""
    if isinstance(output, np.ndarray):
        return int(output.shape[0]) if output.ndim else None
    if isinstance(output, list):
        return None if holds_arrays(output) else len(output)
    return len(output) if hasattr(output, "iloc") else None


def holds_arrays(output: Any) -> bool:
    """A list of arrays has one per output, as scikit-learn's `predict_proba` of several outputs, and not one per row."""
    if not isinstance(output, list | tuple):
        return False
    return any(hasattr(kind, "shape") and not issubclass(kind, np.generic) for kind in set(map(type, output)))


def split(output: Any, sizes: Sequence[int]) -> list[Any] | None:
    """One part per size, in order, or None when the output does not have one row per row of input."""
    if rows_of(output) != sum(sizes):
        return None
    parts = []
    start = 0
    for size in sizes:
        part = output.iloc[start : start + size] if hasattr(output, "iloc") else output[start : start + size]
        parts.append(part.reset_index(drop=True) if hasattr(part, "reset_index") else part)
        start += size
    return parts
