from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from modelserve.core.errors import ModelFailed
from modelserve.models.scorers.outputs import RowsMismatch, check_rows, count_rows, join, row_values, split
from modelserve.payloads.predictions import MAX_DENSE_CELLS

OUTPUTS: list[tuple[Any, list[Any]]] = [
    (np.array([1, 2, 3]), [[1], [2, 3]]),
    (np.array([[1, 2], [3, 4], [5, 6]]), [[[1, 2]], [[3, 4], [5, 6]]]),
    (["a", "b", "c"], [["a"], ["b", "c"]]),
    (pd.Series([1, 2, 3]), [[1], [2, 3]]),
    (pd.DataFrame({"x": [1, 2, 3]}), [[[1]], [[2], [3]]]),
    (("a", "b", "c"), [["a"], ["b", "c"]]),
]


@pytest.mark.parametrize(("output", "parts"), OUTPUTS, ids=[type(output).__name__ for output, _ in OUTPUTS])
def test_an_output_with_one_row_per_row_is_split_exactly(output: Any, parts: list[Any]) -> None:
    found = split(output, [1, 2])
    assert found is not None
    assert [type(part) for part in found] == [type(output)] * 2
    assert [np.asarray(part).tolist() for part in found] == parts


def test_a_part_of_a_frame_has_an_index_of_its_own() -> None:
    found = split(pd.DataFrame({"x": [1, 2, 3]}), [1, 2])
    assert found is not None
    assert found[1].index.tolist() == [0, 1]


@pytest.mark.parametrize(
    "output",
    [
        np.array(5.0),
        np.array([1]),
        [1],
        5,
        "abc",
        None,
        {"a": [1, 2, 3]},
        {"a": np.zeros(3), "b": np.zeros(2)},
        {"a": np.zeros(3), "b": 1.0},
        {},
        [np.zeros((3, 2))] * 3,
        sparse.csr_matrix(np.zeros((2, 3))),
    ],
)
def test_an_output_without_one_row_per_row_is_not_split(output: Any) -> None:
    assert split(output, [1, 2]) is None


@pytest.mark.parametrize(
    ("output", "rows"),
    [
        (np.zeros((4, 2)), 4),
        (np.array(1), None),
        ([], 0),
        ("abcd", None),
        ([np.zeros((4, 2))] * 4, None),
        ([pd.Series([1])], None),
        ([pd.DataFrame({"x": [1]})], None),
        ([np.float64(1)], 1),
        (sparse.coo_matrix(np.zeros((4, 2))), 4),
        ({"a": np.zeros(4), "b": pd.Series([1, 2, 3, 4])}, 4),
        ({"a": [1, 2, 3, 4]}, None),
        ((1, 2), 2),
    ],
)
def test_rows_are_counted_where_there_are_any(output: Any, rows: int | None) -> None:
    assert count_rows(output) == rows


def test_a_matrix_and_columns_in_an_object_are_split_too() -> None:
    matrix = split(sparse.coo_matrix(np.eye(3)), [1, 2])
    columns = split({"a": np.array([1, 2, 3]), "b": pd.Series([4, 5, 6])}, [1, 2])
    assert matrix is not None
    assert columns is not None
    assert [part.toarray().tolist() for part in matrix] == [[[1, 0, 0]], [[0, 1, 0], [0, 0, 1]]]
    assert [[part["a"].tolist(), part["b"].tolist()] for part in columns] == [[[1], [4]], [[2, 3], [5, 6]]]


# docs/http.md, "What a model may return": the output to two rows, and the two answers.
FORMS: list[tuple[str, Any, list[Any]]] = [
    ("array of one dimension", np.array([1.5, 2.5]), [1.5, 2.5]),
    ("array of more dimensions", np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    ("list", ["a", None], ["a", None]),
    ("tuple", (1, 2), [1, 2]),
    ("list of objects", [{"a": 1}, {"a": np.int8(2)}], [{"a": 1}, {"a": 2}]),
    ("series", pd.Series([1.5, 2.5]), [1.5, 2.5]),
    ("named series", pd.Series(["x", "y"], name="label", index=[7, 8]), ["x", "y"]),
    ("frame of one column", pd.DataFrame({"label": ["x", "y"]}), ["x", "y"]),
    ("frame of columns", pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
    ("arrays by name", {"a": np.array([1, 2]), "b": np.array([[3], [4]])}, [{"a": 1, "b": [3]}, {"a": 2, "b": [4]}]),
    ("sparse matrix", sparse.csr_matrix(np.array([[0, 1], [2, 0]])), [[0, 1], [2, 0]]),
    ("datetimes", pd.Series([pd.Timestamp("2024-01-01"), pd.NaT]), ["2024-01-01T00:00:00", None]),
]


@pytest.mark.parametrize(("output", "answers"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_each_form_of_output_has_one_answer_per_row(output: Any, answers: list[Any]) -> None:
    assert row_values(output, 2, "predict") == answers
    assert [value for part in split(output, [1, 1]) or [] for value in row_values(part, 1, "predict")] == answers


@pytest.mark.parametrize("output", [form[1] for form in FORMS], ids=[form[0] for form in FORMS])
def test_what_was_split_is_joined_again(output: Any) -> None:
    parts = split(output, [1, 1])
    assert parts is not None
    assert row_values(join(parts, [1, 1]), 2, "predict") == row_values(output, 2, "predict")
    assert join(parts, [1, 2]) is None


def test_probabilities_of_several_outputs_are_a_list_per_row() -> None:
    shares = [np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.5, 0.5], [0.1, 0.9]])]
    assert row_values(shares, 2, "predict_proba") == [[[0.9, 0.1], [0.5, 0.5]], [[0.2, 0.8], [0.1, 0.9]]]
    with pytest.raises(RowsMismatch):
        row_values([shares[0], shares[1][:1]], 2, "predict_proba")


@pytest.mark.parametrize("output", [5.0, "text", None, {"a": 1}, {"a": [1, 2]}, [np.zeros(2), np.zeros(2)]])
def test_an_output_without_rows_answers_one_row_and_no_more(output: Any) -> None:
    assert len(row_values(output, 1, "predict")) == 1
    with pytest.raises(RowsMismatch, match=r"^The model gave an answer without rows to 2 rows\.$"):
        row_values(output, 2, "predict")


@pytest.mark.parametrize("output", [np.array([1]), [1], pd.Series([1]), pd.DataFrame({"a": [1]}), np.zeros((3, 2))])
def test_another_number_of_rows_is_no_answer(output: Any) -> None:
    with pytest.raises(RowsMismatch, match=r"^The model gave [13] answers? to 2 rows\.$"):
        check_rows(output, 2, "predict")


def test_one_row_may_have_several_items_as_its_answer_but_not_none() -> None:
    assert row_values(np.array([1, 2, 3]), 1, "predict") == [[1, 2, 3]]
    with pytest.raises(RowsMismatch, match=r"^The model gave 0 answers to 1 row\.$"):
        row_values(np.array([]), 1, "predict")


def test_a_sparse_matrix_cannot_fill_the_memory() -> None:
    matrix = sparse.csr_matrix((2, MAX_DENSE_CELLS))
    with pytest.raises(ModelFailed, match="a sparse matrix of 20000000 cells"):
        row_values(matrix, 2, "predict")


@pytest.mark.parametrize(
    "parts",
    [
        [np.array([1]), np.array([1.5])],
        [np.array([1]), np.array(["a"])],
        [np.array([2**53 + 1], dtype=np.uint64), np.array([2**53 + 1], dtype=np.int64)],
        [np.zeros((1, 2)), np.zeros((1, 3))],
        [np.zeros(1), pd.DataFrame({"a": [1.0]})],
        [[1], np.array([1])],
        [pd.DataFrame({"a": [True]}), pd.DataFrame({"b": [True]})],
        [pd.Series([1], name="a"), pd.Series([1], name="b")],
        [pd.Series(["a"], dtype="category"), pd.Series(["b"], dtype="category")],
        [{"a": np.zeros(1)}, {"b": np.zeros(1)}],
        [{"a": np.zeros(1), "b": np.zeros(1)}, {"a": np.zeros(1)}],
        [{"a": np.zeros(1)}, [0.0]],
        [sparse.coo_array(np.ones(1)), sparse.coo_array(np.ones(1))],
    ],
)
def test_parts_that_joining_would_change_are_not_joined(parts: list[Any]) -> None:
    assert join(parts, [1, 1]) is None


def test_joined_parts_keep_their_masks_and_texts_of_any_length() -> None:
    masked = [np.ma.masked_equal([0.0, 1.0], 0.0), np.ma.masked_equal([2.0, 0.0], 0.0)]
    assert join(masked, [2, 2]).tolist() == [None, 1.0, 2.0, None]
    assert join([np.array(["a"]), np.array(["long"])], [1, 1]).tolist() == ["a", "long"]
