"""Percentages as weights of a URL map."""

from __future__ import annotations

import pytest

from modelserve_control.deploy.failover.weights import Name, Weights


@pytest.mark.parametrize(
    ("name", "percent", "expected"),
    [
        ("gke", 0, Weights(1000, 0)),
        ("gke", 1, Weights(990, 10)),
        ("gke", 100, Weights(0, 1000)),
        ("functions", 100, Weights(1000, 0)),
        ("functions", 33, Weights(330, 670)),
    ],
)
def test_a_percentage_is_a_part_of_the_greatest_weight(name: Name, percent: int, expected: Weights) -> None:
    assert Weights.with_percent(name, percent) == expected
    assert expected.percent(name) == percent


def test_what_terraform_writes_is_the_same_as_what_the_command_writes() -> None:
    assert Weights(99, 1).equals(Weights.with_percent("gke", 1))
    assert Weights(100, 0).equals(Weights(1, 0))
    assert not Weights(99, 1).equals(Weights.with_percent("gke", 2))


@pytest.mark.parametrize(
    ("now", "wanted", "gains"),
    [
        (Weights(100, 0), Weights(990, 10), "gke"),
        (Weights(0, 1000), Weights(990, 10), "functions"),
        (Weights(50, 50), Weights(490, 510), "gke"),
        (Weights(1, 2), Weights(400, 600), "functions"),
    ],
)
def test_the_side_that_gets_more_is_the_one_to_check(now: Weights, wanted: Weights, gains: Name) -> None:
    assert wanted.gaining_side(now) == gains


def test_a_share_is_told_to_a_tenth() -> None:
    assert str(Weights(1, 2)) == "functions 33.3 %, gke 66.7 %"
