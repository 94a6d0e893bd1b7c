from __future__ import annotations

import numpy as np
import pytest

from modelserve_control.monitor.stats.answers import Answers, collect_answers
from modelserve_control.monitor.stats.quality import measure


def test_numbers_are_measured_by_their_error() -> None:
    found = measure([1.0, 2.0, 3.0, None], Answers([2.0, 2.0, 5.0, 1.0]))
    assert (found["task"], found["rows"], found["left_out"]) == ("regression", 3, 1)
    assert found["figures"] == pytest.approx({"rmse": (5 / 3) ** 0.5, "mae": 1.0, "bias": 1.0})


def test_classes_are_measured_with_their_probabilities() -> None:
    results = [
        {"prediction": label, "probabilities": {"no": 1 - share, "yes": share}}
        for label, share in (("yes", 0.9), ("yes", 0.6), ("no", 0.4), ("no", 0.1), ("no", 0.2))
    ]
    found = measure(["yes", "no", "yes", "no", None], collect_answers(results))
    assert (found["positive"], found["rows"], found["left_out"]) == ("yes", 4, 1)
    assert found["figures"] == pytest.approx(
        {
            "accuracy": 0.5,
            "precision": 0.5,
            "recall": 0.5,
            "auc": 0.75,
            "log_loss": -(np.log(0.9) + np.log(0.4) + np.log(0.4) + np.log(0.9)) / 4,
            "calibration_error": (0.1 + 0.6 + 0.6 + 0.1) / 4,
        }
    )
    assert [one["rows"] for one in found["calibration"]] == [1, 1, 1, 1]


def test_classes_that_are_numbers_or_truth_values_meet_their_texts() -> None:
    found = measure(
        [1, 0, 1], collect_answers([{"prediction": n, "probabilities": {"0": 1 - n, "1": n}} for n in (1, 0, 0)])
    )
    assert found["figures"]["accuracy"] == pytest.approx(2 / 3)
    assert measure([True, False], Answers(["true", "true"]))["figures"]["accuracy"] == 0.5


def test_one_class_alone_has_no_area_under_a_curve() -> None:
    answers = collect_answers([{"prediction": "no", "probabilities": {"no": 0.9, "yes": 0.1}}] * 3)
    found = measure(["no"] * 3, answers)
    assert found["figures"]["auc"] is None
    assert found["intervals"]["auc"] is None
    assert found["figures"]["log_loss"] == pytest.approx(-np.log(0.9))


@pytest.mark.parametrize("truth", [[], [None, None]])
def test_nothing_known_gives_no_figures(truth: list[None]) -> None:
    assert measure(truth, Answers([1.0] * len(truth)))["figures"] == {}


def test_intervals_hold_the_true_error_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(60):
        found = measure(np.zeros(400), Answers(random.normal(0, 2, 400)))
        low, high = found["intervals"]["rmse"]
        held += low <= 2 <= high
    assert 50 <= held < 60


def test_the_interval_of_many_rows_is_narrow() -> None:
    random = np.random.default_rng(5)
    few, many = (measure(np.zeros(n), Answers(random.normal(size=n)))["intervals"]["rmse"] for n in (5_000, 500_000))
    assert (many[1] - many[0]) == pytest.approx((few[1] - few[0]) / 10, rel=0.3)
