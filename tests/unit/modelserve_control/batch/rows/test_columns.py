from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from modelserve_control.batch.rows import columns

DOES_NOT_FIT = "prediction: the model's answer does not fit the column's type int64"


def test_an_answer_of_another_type_is_an_error_of_its_row_and_never_cut_to_fit() -> None:
    errors = {3: "the model raised"}
    array = columns.build_column("prediction", pa.int64(), [1, 1.5, "2", None, 4], errors)
    assert array.to_pylist() == [1, None, None, None, 4]
    assert errors == {1: DOES_NOT_FIT, 2: DOES_NOT_FIT, 3: "the model raised"}


@pytest.mark.parametrize(
    ("wanted", "seen", "kind"),
    [
        (pa.float64(), [1, None], pa.float64()),
        (pa.int64(), [1, 2.5], pa.float64()),
        (pa.float64(), ["high"], pa.string()),
        (pa.string(), [], pa.string()),
        (pa.null(), [None], pa.null()),
        (pa.null(), [None, "a", 1], pa.string()),
        (pa.struct([("a", pa.float64())]), [{"a": None}], pa.struct([("a", pa.float64())])),
    ],
)
def test_a_column_holds_what_is_expected_and_what_was_seen(wanted: Any, seen: list[Any], kind: Any) -> None:
    assert columns.unify(wanted, columns.type_of(seen)) == kind


def test_probabilities_stand_behind_the_prediction_as_columns() -> None:
    result = {"prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}, "churn": False}
    row = list(columns.flatten(result).items())
    assert row == [("prediction", "no"), ("probability_no", 0.75), ("probability_yes", 0.25), ("churn", False)]
