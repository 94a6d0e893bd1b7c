"""The comparison of answers with the expected labels."""

from __future__ import annotations

import pytest

from benchmarks.servers.protocols import MLFLOW, TOLERANCE


@pytest.mark.parametrize("number", [0.0, 1e-9, 2.5, -1e9])
def test_a_number_may_differ_as_much_as_a_compiled_form_may(number: float) -> None:
    near, far = number + TOLERANCE * max(1, abs(number)) / 2, number + TOLERANCE * max(1, abs(number)) * 2
    assert MLFLOW.is_right(b'{"predictions": [%r]}' % near, [number])
    assert not MLFLOW.is_right(b'{"predictions": [%r]}' % far, [number])


@pytest.mark.parametrize("answer", [b'{"predictions": ["2.5"]}', b'{"predictions": [null]}', b'{"predictions": [NaN]}'])
def test_a_regressor_must_answer_with_numbers(answer: bytes) -> None:
    assert not MLFLOW.is_right(answer, [2.5])
