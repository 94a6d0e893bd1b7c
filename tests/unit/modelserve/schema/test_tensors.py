from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve.schema.signature import Signature
from modelserve.schema.tensors import flatten
from signatures import bad_cells, signature_of, table, tensor


def one(dtype: str, *shape: int) -> Signature:
    return signature_of([tensor(dtype, *shape, name="t")])


FITS: list[tuple[str, tuple[int, ...], list[Any]]] = [
    ("float64", (-1, 2), [[1, 2.5], [3, 4]]),
    ("float32", (-1, 2), [[0.5, 2]]),
    ("float16", (-1, 1), [[0.5]]),
    ("int64", (-1,), [1, 2**62]),
    ("int8", (-1, 2), [[127, -128]]),
    ("uint8", (-1, 2, 2), [[[0, 255], [1, 2]]]),
    ("bool", (-1, 1), [[True], [False]]),
    ("str", (-1, 2), [["a", "a long text"]]),
    ("object", (-1,), ["a", "b"]),
    ("float64", (-1, -1), [[1, 2, 3]]),
]

REFUSED: list[tuple[str, tuple[int, ...], list[Any], tuple[int, str]]] = [
    ("float64", (-1, 2), [[1, 2], [1]], (1, "shape [1], needs [2]")),
    ("float64", (-1, 2), [5], (0, "shape [], needs [2]")),
    ("float64", (-1, 2), [[1, [2]]], (0, "ragged lists")),
    ("float64", (-1, 2, 2), [[[1, 2], [1]]], (0, "ragged lists")),
    ("float64", (-1, -1), [[1, 2], [1]], (0, "the rows of a tensor must have one shape")),
    ("float64", (-1, 1), [[None]], (0, "null in a required column")),
    ("float64", (-1, 1), [["x"]], (0, "a string, needs float64")),
    ("uint8", (-1, 1), [[256]], (0, "out of range for uint8")),
    ("uint8", (-1, 1), [[-1]], (0, "out of range for uint8")),
    ("int64", (-1, 1), [[1.5]], (0, "has a fraction, needs int64")),
    ("bool", (-1, 1), [[1]], (0, "an integer, needs boolean")),
    ("str", (-1, 1), [[1]], (0, "an integer, needs string")),
    ("datetime64[ns]", (-1, 1), [["secret"]], (0, "not a datetime in ISO 8601 with at most nine decimals")),
]


@pytest.mark.parametrize(("dtype", "shape", "values"), FITS)
def test_a_tensor_of_the_right_shape_is_kept_exactly(dtype: str, shape: tuple[int, ...], values: list[Any]) -> None:
    column = one(dtype, *shape).check(table(t=values)).columns["t"]
    assert column.dtype == (object if dtype in ("str", "object") else dtype)
    assert column.tolist() == values


@pytest.mark.parametrize(("dtype", "shape", "values", "expected"), REFUSED)
def test_a_row_that_does_not_fit_is_named(
    dtype: str, shape: tuple[int, ...], values: list[Any], expected: tuple[int, str]
) -> None:
    row, reason = expected
    assert bad_cells(lambda: one(dtype, *shape).check(table(t=values))) == [(row, "t", reason)]


def test_a_tensor_of_bytes_takes_base64_and_one_of_datetimes_iso_8601() -> None:
    assert one("bytes", -1, 1).check(table(t=[["AAE="]])).columns["t"].tolist() == [[b"\x00\x01"]]
    instants = one("datetime64[ns]", -1, 1).check(table(t=[["2024-01-01T01:00:00+01:00"]])).columns["t"]
    assert instants.tolist() == [[np.datetime64("2024-01-01", "ns").astype(int)]]


@pytest.mark.parametrize(("shape", "empty"), [((-1, 3), (0, 3)), ((-1,), (0,)), ((-1, -1, 2), (0, 0, 2))])
def test_no_rows_give_an_empty_tensor(shape: tuple[int, ...], empty: tuple[int, ...]) -> None:
    column = one("float32", *shape).check(table(t=[])).columns["t"]
    assert column.shape == empty
    assert column.dtype == "float32"


def test_an_array_of_the_right_dtype_and_shape_is_taken_as_it_is() -> None:
    array = np.ones((3, 2))
    assert one("float64", -1, 2).check(table(t=array)).columns["t"] is array  # type: ignore[arg-type]  # any sequence
    assert bad_cells(lambda: one("float64", -1, 3).check(table(t=array)))  # type: ignore[arg-type]  # an array in place of lists


@pytest.mark.parametrize(
    ("value", "shape", "items"), [(5, (), [5]), ([], (0,), []), ([[1], [2]], (2, 1), [1, 2]), ([[], []], (2, 0), [])]
)
def test_nested_lists_have_a_shape_and_items(value: Any, shape: tuple[int, ...], items: list[Any]) -> None:
    assert flatten(value) == (shape, items)


def test_no_depth_exhausts_the_stack() -> None:
    value: Any = 1
    for _ in range(5_000):
        value = [value]
    shape, items = flatten(value)
    assert (len(shape), items) == (5_000, [1])
