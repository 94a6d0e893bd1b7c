from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from modelserve.core.errors import SignatureMismatch
from modelserve.models.compiled.packing import (
    CODES,
    NULL_TEXT,
    NUMBERS,
    Input,
    Lookup,
    Packing,
    Plan,
    Split,
    doubles,
    own_tensor,
)
from modelserve.models.version import known_texts
from modelserve.schema.batch import Batch, Matrix, concatenate
from modelserve.schema.texts import Words
from modelserve.schema.types import EXACT

LARGE = 1 << 40
LONG = Input("n", "double", exact_integers=True)


def objects(*values: Any) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_numbers_are_columns_of_doubles() -> None:
    tensor = doubles(LONG, np.array([1, 2], dtype=np.int64))
    assert tensor.dtype == np.float64
    assert tensor.tolist() == [[1.0], [2.0]]
    assert doubles(Input("f", "double"), np.array([True, False])).tolist() == [[1.0], [0.0]]


def test_a_boolean_beside_a_null_becomes_nan() -> None:
    tensor = doubles(Input("f", "double", nullable=True), objects(True, None))
    assert tensor[0, 0] == 1.0
    assert np.isnan(tensor[1, 0])


def test_a_whole_number_that_a_double_would_round_is_refused_with_its_row() -> None:
    assert doubles(LONG, np.array([EXACT, -EXACT])).tolist() == [[float(EXACT)], [-float(EXACT)]]
    with pytest.raises(SignatureMismatch) as caught:
        doubles(LONG, np.array([0, EXACT + 1]))
    assert [(cell["row"], cell["column"]) for cell in caught.value.details] == [(1, "n")]


def test_texts_are_fed_as_they_are_null_as_the_sentinel_and_lowered_where_asked() -> None:
    assert own_tensor(Input("t", "string"), objects("A", "b")).tolist() == [["A"], ["b"]]
    assert own_tensor(Input("t", "string", nullable=True), objects("A", None)).tolist() == [["A"], [NULL_TEXT]]
    assert own_tensor(Input("t", "string", lower=True), objects("İA")).tolist() == [["İA".lower()]]


def test_a_tensor_keeps_its_width() -> None:
    assert doubles(Input("0", "double", width=2), np.array([[1.0, 2.0]])).shape == (1, 2)


PLAN = Plan(
    numbers=[Input("n", "double", exact_integers=True), Input("wide", "double", width=2)],
    lookups=[
        Lookup(Input("t", "string", nullable=True), ["a", "b", NULL_TEXT], [5, 6, 7], 9),
        Lookup(Input("u", "string"), ["a", "b"], [0, 1], 2),
        Lookup(Input("n", "double"), [1.0], [LARGE], 0xD800),
    ],
    texts={"text_0": Input("words", "string", lower=True)},
    splits=[Split(NUMBERS, 0, 0.5), Split(CODES, 1, 2)],
    labels={"predict": ["no", "yes"]},
)
SIZE = Lookup(Input("t", "string", nullable=True), ["small", "large", NULL_TEXT], [0.5, 2.5, -1.0], math.nan)
YEAR = Lookup(Input("y", "double", nullable=True), [2020.0, math.nan, 2021.0], [0.0, 7.0, 1.0], -2.0)


def test_a_plan_is_the_same_after_its_way_through_the_graph() -> None:
    assert Plan.decode(PLAN.encode()) == PLAN


def test_a_batch_is_packed_by_kind() -> None:
    columns = {
        "u": objects("b", "never seen"), "words": objects("A B", "c"), "t": objects("a", None),
        "n": np.array([1, 2]), "wide": np.array([[3.0, 4.0], [5.0, np.nan]]),
    }  # fmt: skip
    tensors = Packing(PLAN).of_batch(Batch(columns, 2))
    np.testing.assert_array_equal(tensors[NUMBERS], [[1.0, 3.0, 4.0], [2.0, 5.0, np.nan]])
    assert tensors[CODES].tolist() == [[5, 1, LARGE], [7, 2, 0xD800]]
    assert tensors["text_0"].tolist() == [["a b"], ["c"]]


def test_a_text_of_the_sentinel_s_letters_is_not_the_category_of_null() -> None:
    """The model that was compiled knows null, and no such text."""
    columns = {
        "u": objects("b"), "words": objects("c"), "t": objects(NULL_TEXT), "n": np.array([1]), "wide": np.array([[3.0, 4.0]]),
    }  # fmt: skip
    assert Packing(PLAN).of_batch(Batch(columns, 1))[CODES].tolist() == [[9, 1, LARGE]]


def test_a_graph_whose_keys_have_no_null_takes_null_for_something_unknown() -> None:
    packing = Packing(Plan([], [Lookup(Input("t", "string", nullable=True), ["a"], [0], 1)], {}))
    assert packing.of_batch(Batch({"t": objects("a", None, "b")}, 3))[CODES].tolist() == [[0], [1], [1]]


@pytest.mark.parametrize("form", ["cells", "arrays", "words", "many"])
def test_categories_that_trees_read_as_numbers_stand_among_the_numbers(form: str) -> None:
    sizes: list[Any] = ["large", None, "other", "small", NULL_TEXT]
    years: Any = [2021.0, math.nan, 1999.0, None, 2020.0]
    if form != "cells":
        years = np.array(years, dtype=float)
    repeats = 100 if form == "many" else 1
    texts = Words(sizes, np.arange(5, dtype=np.int32)) if form == "words" else objects(*sizes * repeats)
    columns = {"a": np.ones(5 * repeats), "t": sizes if form == "cells" else texts, "y": years}
    columns["y"] = np.tile(years, repeats) if form == "many" else years
    batch = batch_of(columns, 5) if form == "cells" else Batch(columns, 5 * repeats)
    fed = Packing(Plan([SIZE, A, YEAR], [], {})).of_batch(batch)[NUMBERS]
    expected = [[2.5, 1, 1], [-1, 1, 7], [math.nan, 1, -2], [0.5, 1, 7], [math.nan, 1, 0]]
    np.testing.assert_array_equal(fed, expected * repeats)
    assert fed.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, np.float64])
@pytest.mark.parametrize("ends", [(1, 3), (-128, 127), (-(2**63), 2**63 - 1)])
def test_each_number_of_a_column_of_categories_is_looked_up(dtype: Any, ends: tuple[int, int]) -> None:
    cells = np.array([2, *(end for end in ends if np.can_cast(np.min_scalar_type(end), dtype)), 2, 3] * 80).astype(
        dtype
    )
    lookup = Lookup(Input("n", "double"), [-128.0, 1.0, 2.0, 127.0], [5, 6, 7, 8], 9)
    expected = [dict(zip(lookup.keys, lookup.codes, strict=True)).get(cell, 9) for cell in cells.tolist()]
    assert Packing(Plan([], [lookup], {})).of_batch(Batch({"n": cells}, len(cells)))[CODES][:, 0].tolist() == expected


def test_codes_of_many_rows_may_be_bytes() -> None:
    known = [Lookup(Input("t", "string"), ["a", "b"], [0, 1], 2)]
    batch = Batch({"t": objects(*"abz" * 100)}, 300)
    for lookups, expected in ((known, np.uint8), ([*known, Lookup(Input("t", "string"), ["a"], [300], 1)], np.int64)):
        packing = Packing(Plan([], lookups, {}))
        codes = packing.of_batch(batch, narrow=True)[CODES]
        assert codes.dtype == expected
        np.testing.assert_array_equal(codes, packing.of_batch(batch)[CODES])


def test_words_and_arrays_of_a_decoder_are_packed_as_their_values() -> None:
    numbers = Input("n", "double")
    plan = Plan([numbers], [Lookup(Input("t", "string"), ["a", "b"], [0, 1], 2), Lookup(numbers, [7], [0], 1)], {})
    cells: dict[str, Any] = {"n": np.array([7, 8, 7]), "t": Words(["z", "b"], np.array([1, 0, 1], np.int32))}
    packed = [
        Packing(plan).of_batch(Batch.of_cells(one, 3, dict))
        for one in (cells, {name: list(values) for name, values in cells.items()})
    ]
    assert packed[0][CODES].tolist() == packed[1][CODES].tolist() == [[1, 0], [2, 1], [1, 0]]
    assert packed[0][NUMBERS].tolist() == packed[1][NUMBERS].tolist() == [[7.0], [8.0], [7.0]]


A, B = Input("a", "double"), Input("b", "double")


def batch_of(columns: Any, rows: int) -> Batch:
    return Batch.of_cells(columns, rows, lambda: {name: np.asarray(cells) for name, cells in columns.items()})


def test_numbers_that_came_as_one_array_go_as_they_are_if_their_order_is_that_of_the_graph() -> None:
    matrix = Matrix(("a", "b"), np.array([[1.0, 2.0], [3.0, 4.0]]))
    fed = Packing(Plan([A, B], [], {})).of_batch(batch_of(matrix, 2))[NUMBERS]
    assert fed is matrix.array
    assert Packing(Plan([B, A], [], {})).of_batch(batch_of(matrix, 2))[NUMBERS].tolist() == [[2.0, 1.0], [4.0, 3.0]]


@pytest.mark.parametrize("second", [Matrix(("a", "b"), np.array([[3, 4]])), {"a": [3], "b": [4]}])
def test_rows_that_came_as_arrays_are_scored_together_with_any_others(second: Any) -> None:
    first = Matrix(("a", "b"), np.array([[1, 2]]))
    together = concatenate([batch_of(first, 1), batch_of(second, 1)])
    assert Packing(Plan([A, B], [], {})).of_batch(together)[NUMBERS].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert {name: column.tolist() for name, column in together.columns.items()} == {"a": [1, 3], "b": [2, 4]}


def test_what_a_graph_is_fed_stands_row_by_row() -> None:
    cells = {"a": [1.0, 2.0], "b": [3.0, 4.0], "c": ["x", "y"], "d": ["y", "z"]}
    lookups = [Lookup(Input(name, "string"), ["x", "y"], [0, 1], 2) for name in "cd"]
    fed = Packing(Plan([A, B], lookups, {})).of_batch(batch_of(cells, 2))
    assert (fed[NUMBERS].tolist(), fed[CODES].tolist()) == ([[1.0, 3.0], [2.0, 4.0]], [[0, 1], [1, 2]])
    assert all(array.flags.c_contiguous for array in fed.values())


def categories() -> Packing:
    lookups = [Lookup(Input(name, "string"), ["a", "b"], [0, 1], 2) for name in ("t", "u")]
    return Packing(Plan([], lookups, {}))


@pytest.mark.parametrize(
    "cells", [["a", "x", "y"], objects("a", "x", "y"), Words(["a", "x", "y"], np.array([0, 1, 2]))]
)
def test_an_unknown_category_is_a_bad_cell_where_it_is_refused(cells: Any) -> None:
    packing = categories()
    batch = Batch({"t": cells, "u": objects("b", None, "b")}, 3)
    assert packing.of_batch(batch)[CODES][:, 0].tolist() == [0, 2, 2]
    packing.refused = known_texts(packing.categories())
    with pytest.raises(SignatureMismatch, match="2 cells hold categories that the model does not know") as caught:
        packing.of_batch(batch)
    assert caught.value.details == [
        {"row": row, "column": "t", "reason": "not a category that the model knows"} for row in (1, 2)
    ]
