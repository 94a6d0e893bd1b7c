from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve.schema.arrays import fit, is_exact
from modelserve.schema.tensors import Tensor
from modelserve.schema.types import SCALARS, ColumnType

NAN, INF = float("nan"), float("inf")
LONG, INTEGER, DOUBLE, FLOAT = (SCALARS[name] for name in ("long", "integer", "double", "float"))
PAIR = Tensor("float64", (-1, 2))

FITTING: list[tuple[ColumnType, Any, Any]] = [
    (LONG, np.array([1, -2], "i1"), np.array([1, -2])),
    (LONG, np.array([2**63 - 1], "u8"), np.array([2**63 - 1])),
    (LONG, np.array([3.0, -0.0]), np.array([3, 0])),
    (INTEGER, np.array([5.0], "f4"), np.array([5], "i4")),
    (DOUBLE, np.array([0.5], "f4"), np.array([0.5])),
    (DOUBLE, np.array([2**53]), np.array([2.0**53])),
    (FLOAT, np.array([0.1]), np.array([0.1], "f4")),
    (SCALARS["boolean"], np.array([True]), np.array([True])),
    (PAIR, np.array([[1, 2]], "i4"), np.array([[1.0, 2.0]])),
    (Tensor("uint8", (-1, 1)), np.array([[255.0]]), np.array([[255]], "u1")),
]
UNFIT: list[tuple[ColumnType, Any]] = [
    *((kind, np.array([1.0, value])) for kind in (LONG, DOUBLE, FLOAT) for value in (NAN, INF, -INF)),
    (LONG, np.array([2**63], "u8")), (INTEGER, np.array([2**31])), (LONG, np.array([1.5])), (LONG, np.array([2.0**53])),
    (DOUBLE, np.array([2**53 + 1])), (FLOAT, np.array([2**24 + 1])), (FLOAT, np.array([1e39])),
    (LONG, np.array([True])), (DOUBLE, np.array([True])), (SCALARS["boolean"], np.array([1])),
    (SCALARS["string"], np.array([1])), (SCALARS["datetime"], np.array([1])),
    (PAIR, np.array([[1.0, 2.0, 3.0]])), (PAIR, np.array([1.0])), (PAIR, np.array([[NAN, 1.0]])), (Tensor("str", (-1,)), np.array([1])),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "fitting"), FITTING, ids=str)
def test_what_plainly_fits_gets_the_dtype_of_its_column(kind: ColumnType, values: Any, fitting: Any) -> None:
    found = fit(values, kind)
    assert found is not None
    assert (found.dtype, found.tolist()) == (fitting.dtype, fitting.tolist())


@pytest.mark.parametrize(("kind", "values"), UNFIT, ids=str)
def test_whatever_else_is_left_to_the_check_of_each_value(kind: ColumnType, values: Any) -> None:
    assert fit(values, kind) is None


def test_a_double_keeps_whole_numbers_below_two_to_the_fifty_third() -> None:
    assert is_exact(np.array([2**53 - 1, 1 - 2**53]))
    assert is_exact(["a text"])
    assert not is_exact(np.array([2**53]))
    assert not is_exact(np.array([-(2**53)]))
