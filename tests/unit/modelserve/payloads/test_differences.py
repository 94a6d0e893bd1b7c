from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from modelserve.payloads.differences import FLIP, FORM, MAX_KEPT, NUMBER, Difference, compare
from modelserve.schema.types import MISSING
from modelserve.shadow.tally import Tally

RESULT: dict[str, Any] = {"prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}, "churn": False}
TOLERANCE = 1e-6


@pytest.mark.parametrize(
    "answer",
    [RESULT, [RESULT, RESULT], {"predictions": [1, 2.5, None, True, "a"]}, {"predictions": []}, [[0.5, -1e300]], None],
)
def test_an_answer_is_like_itself(answer: Any) -> None:
    found = compare(json.loads(json.dumps(answer)), answer, TOLERANCE)
    assert (found.differences, found.counts.total(), found.greatest) == ([], 0, 0.0)


@pytest.mark.parametrize(
    ("served", "shadow", "wanted"),
    [
        ("no", "yes", Difference("", FLIP, "no", "yes")),
        ([True], [False], Difference("/0", FLIP, True, False)),
        ({"predictions": [3, 4]}, {"predictions": [3, 5]}, Difference("/predictions/1", FLIP, 4, 5)),
        ([RESULT], [RESULT | {"prediction": "yes"}], Difference("/0/prediction", FLIP, "no", "yes")),
        ({"y": 21.5}, {"y": 21.75}, Difference("/y", NUMBER, 21.5, 21.75)),
        ([0.0], [2e-6], Difference("/0", NUMBER, 0.0, 2e-6)),
        ([1.0], [2], Difference("/0", NUMBER, 1.0, 2)),
        ([1.0], ["1.0"], Difference("/0", FORM, "number", "text")),
        ([1], [True], Difference("/0", FORM, "number", "boolean")),
        ([None], [0.5], Difference("/0", FORM, "null", "number")),
        ([0.5], [[0.5]], Difference("/0", FORM, "number", "list of 1")),
        ([1.5, 2.5], [1.5], Difference("", FORM, "list of 2", "list of 1")),
        ({"a": 1, "b/~c": {}}, {"a": 1}, Difference("/b~1~0c", FORM, "object", "nothing")),
        ({"a": 1}, {"a": 1, "b": "x"}, Difference("/b", FORM, "nothing", "text")),
    ],
)
def test_a_difference_says_where_it_is_and_of_which_kind(served: Any, shadow: Any, wanted: Difference) -> None:
    found = compare(served, shadow, TOLERANCE)
    assert found.differences == [wanted]
    assert found.counts == {wanted.kind: 1}


@pytest.mark.parametrize(
    ("served", "shadow"), [(0.0, 1e-6), (0.5, 0.5 + 9e-7), (1e12, 1e12 + 9e5), (1e12, 1e12 - 9e5), (-1e-9, 1e-9)]
)
def test_a_number_may_be_as_far_as_the_tolerance_absolutely_or_relatively(served: float, shadow: float) -> None:
    found = compare([served], [shadow], TOLERANCE)
    assert found.differences == []
    assert found.greatest == abs(served - shadow)
    assert compare([served], [shadow], 0.0).counts == {NUMBER: 1}


def test_the_greatest_distance_is_of_numbers_alone() -> None:
    assert compare([0.5, 8.0, 2.0], [0.5, 5.0, 2.5], TOLERANCE).greatest == 3.0
    assert compare([10, 0.5], [30, 0.5], TOLERANCE).greatest == 0.0  # labels have none


def test_all_are_counted_and_the_first_few_are_kept() -> None:
    found = compare(["no"] * 1_000, ["yes"] * 1_000, TOLERANCE)
    assert found.counts == {FLIP: 1_000}
    assert [one.place for one in found.differences] == [f"/{row}" for row in range(MAX_KEPT)]


@pytest.mark.parametrize(
    ("served", "shadow", "rows", "flipped"),
    [
        (RESULT, RESULT, 1, 0),  # two labels of one row
        (RESULT, RESULT | {"prediction": "yes", "churn": True}, 1, 1),
        ([RESULT] * 3, [RESULT, RESULT | {"churn": True}, RESULT | {"prediction": "yes"}], 3, 1),
        ({"predictions": ["a", "b", "c"]}, {"predictions": ["a", "x", "y"]}, 3, 2),
        ({"predictions": [[0, 1], [1, 1]]}, {"predictions": [[1, 0], [1, 1]]}, 2, 1),  # two labels of each row
        ([{"prediction": [0, 1, 1]}], [{"prediction": [0, 0, 0]}], 1, 1),
        (
            {"0": {"data": [1, 2]}, "1": {"data": [[0.5], [1.5]]}},
            {"0": {"data": [1, 3]}, "1": {"data": [[0.5], [1.5]]}},
            2,
            1,
        ),
        ({"predictions": [1.5, None]}, {"predictions": [2.5, None]}, 0, 0),
        (["a", None], ["a", "b"], 1, 0),  # another form is no flip
    ],
)
def test_rows_with_a_label_are_counted_and_those_that_flip(served: Any, shadow: Any, rows: int, flipped: int) -> None:
    found = compare(served, shadow, TOLERANCE)
    assert (found.rows, found.flipped) == (rows, flipped)


def test_the_lists_of_one_row_have_none() -> None:
    found = compare({"prediction": [0, 1, 1]}, {"prediction": [0, 0, 0]}, TOLERANCE, one_row=True)
    assert (found.rows, found.flipped) == (1, 1)
    assert [one.place for one in found.differences] == ["/prediction/1", "/prediction/2"]


def test_a_tally_adds_up_what_was_compared_and_what_another_has() -> None:
    first, second = Tally(), Tally()
    first.add(compare(["no", 0.5], ["yes", 2.0], TOLERANCE))
    first.add(compare([None], [0.5], TOLERANCE))
    first.fail("MODEL_FAILED")
    second.add(compare(["no"], ["no"], TOLERANCE))
    second.add(compare([1e308], [-1e308], TOLERANCE))
    second.fail("MODEL_FAILED")
    second.fail("DEADLINE_EXCEEDED")
    first.merge(second)
    assert first == Tally(
        compared=4, differing=3, flips=1, greatest=sys.float_info.max, rows=2, flipped=1, forms=1,
        errors={"MODEL_FAILED": 2, "DEADLINE_EXCEEDED": 1},
    )  # fmt: skip
    assert (first.seen, first.failed) == (7, 3)
    assert second.errors == {"MODEL_FAILED": 1, "DEADLINE_EXCEEDED": 1}


@pytest.mark.parametrize(
    ("expected", "answer"),
    [({"a": 1}, {"a": 1, "b": 2}), ({"a": {"b": 1.0}}, {"a": {"b": 1, "c": 2}}), ([10_000_000], [10_000_001])],
)
def test_a_partial_comparison_looks_only_at_what_is_expected(expected: Any, answer: Any) -> None:
    assert not compare(expected, answer, TOLERANCE, partial=True).counts
    assert compare(expected, answer, 0.0).counts


def test_a_partial_comparison_has_the_values() -> None:
    found = compare({"a": "x", "b": [1]}, {"b": [1, 2]}, TOLERANCE, partial=True)
    assert found.differences == [Difference("/a", FORM, "x", MISSING), Difference("/b", FORM, [1], [1, 2])]
