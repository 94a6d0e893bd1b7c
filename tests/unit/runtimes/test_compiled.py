from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve.errors import BadCells
from modelserve.runtimes.compiled import EXACT, NULL_TEXT, Input, feed

LONG = Input("n", "double", exact_integers=True)


def objects(*values: Any) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_numbers_are_columns_of_doubles() -> None:
    tensor = feed(LONG, np.array([1, 2], dtype=np.int64))
    assert tensor.dtype == np.float64
    assert tensor.tolist() == [[1.0], [2.0]]
    assert feed(Input("f", "double"), np.array([True, False])).tolist() == [[1.0], [0.0]]


def test_a_boolean_beside_a_null_becomes_nan() -> None:
    tensor = feed(Input("f", "double", nullable=True), objects(True, None))
    assert tensor[0, 0] == 1.0
    assert np.isnan(tensor[1, 0])


def test_a_whole_number_that_a_double_would_round_is_refused_with_its_row() -> None:
    assert feed(LONG, np.array([EXACT, -EXACT])).tolist() == [[float(EXACT)], [-float(EXACT)]]
    with pytest.raises(BadCells) as caught:
        feed(LONG, np.array([0, EXACT + 1]))
    assert [(cell["row"], cell["column"]) for cell in caught.value.details] == [(1, "n")]


def test_texts_are_fed_as_they_are_null_as_the_sentinel_and_lowered_where_asked() -> None:
    assert feed(Input("t", "string"), objects("A", "b")).tolist() == [["A"], ["b"]]
    assert feed(Input("t", "string", nullable=True), objects("A", None)).tolist() == [["A"], [NULL_TEXT]]
    assert feed(Input("t", "string", lower=True), objects("İA")).tolist() == [["İA".lower()]]


def test_a_tensor_keeps_its_width() -> None:
    assert feed(Input("0", "double", width=2), np.array([[1.0, 2.0]])).shape == (1, 2)
