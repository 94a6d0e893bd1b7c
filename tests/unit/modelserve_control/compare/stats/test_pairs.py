"""What is compared with what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve_control.compare.stats.pairs import Labels, Numbers, build_pairs

INF, NAN = float("inf"), float("nan")


def one(a: list[Any], b: list[Any], classifies: bool = False) -> Numbers | Labels:
    (found,) = build_pairs([{"prediction": x} for x in a], [{"prediction": x} for x in b], classifies)
    return found


def difference(a: Any, b: Any) -> float:
    found = one([a], [b])
    assert isinstance(found, Numbers)
    return float(found.difference[0])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(1, 3.5, 2.5), (INF, INF, 0), (-INF, -INF, 0), (INF, -INF, -INF), (1.0, INF, INF), (2**53, 2**53 + 1, 1)],
)
def test_the_difference_of_two_numbers(a: float, b: float, expected: float) -> None:
    assert difference(a, b) == expected


@pytest.mark.parametrize(("a", "b"), [(None, 1.0), (1.0, NAN), (NAN, None), (None, NAN)])
def test_nothing_has_no_difference(a: float | None, b: float | None) -> None:
    assert np.isnan(difference(a, b))


@pytest.mark.parametrize(
    ("a", "b", "flipped"),
    [
        ("yes", "yes", False),
        ("yes", "no", True),
        ("yes", None, True),
        (True, False, True),
        (10**400, 10**400, False),
        (10**400, 1, True),
        ([1], [1, 2], True),
        ({"a": "x"}, "x", True),
        ([], [], False),
    ],
)
def test_what_is_no_number_is_the_same_or_not(a: Any, b: Any, flipped: bool) -> None:
    for found in build_pairs([{"prediction": a}], [{"prediction": b}], False):
        assert isinstance(found, Labels)
        assert found.flipped.tolist() == [flipped]


def test_the_number_of_a_class_is_a_label() -> None:
    found = one([10, 20, 20], [10, 30, 20], classifies=True)
    assert isinstance(found, Labels)
    assert found.flipped.tolist() == [False, True, False]


def test_a_classifier_s_answer_falls_into_its_parts() -> None:
    row = {"prediction": "no", "probabilities": {"no": 0.9, "yes": 0.1}, "churn_probability": 0.1, "churn": False}
    other = row | {"probabilities": {"no": 0.7, "yes": 0.3}, "churn": True}
    found = {pair.name: pair for pair in build_pairs([row], [other], True)}
    assert list(found) == ["prediction", "probabilities.no", "probabilities.yes", "churn_probability", "churn"]
    assert isinstance(found["churn"], Labels)
    yes = found["probabilities.yes"]
    assert isinstance(yes, Numbers)
    assert yes.difference.tolist() == pytest.approx([0.2])


def test_an_only_answer_is_the_same_answer_under_another_label() -> None:
    (found,) = build_pairs([{"minutes": 1.0}], [{"prediction": 2.0}], False)
    assert (found.name, isinstance(found, Numbers)) == ("prediction", True)


def test_of_a_thousand_classes_the_one_that_differs_most_counts() -> None:
    shares = {str(place): 0.001 for place in range(1_000)}
    a, b = {"prediction": "0", "probabilities": shares}, {"prediction": "0", "probabilities": shares | {"7": 0.5}}
    _, found = build_pairs([a, a], [a, b], True)
    assert isinstance(found, Numbers)
    assert found.difference.tolist() == pytest.approx([0, 0.499])
