from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelserve.core.errors import BadSetting
from modelserve_control.deploy.rollout.golden import Golden, read_golden


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ({"prediction": 0.5}, {"prediction": 0.5 + 4e-7, "more": 1}),
        ({"prediction": 0.0}, {"prediction": -9e-7}),
        ({"p": {"yes": [1, 2.0]}}, {"p": {"yes": [1.0, 2]}}),
        ("yes", "yes"),
        (None, None),
        (True, True),
    ],
)
def test_the_same_answer(expected: Any, answer: Any) -> None:
    assert Golden(1, expected).difference(answer) is None


@pytest.mark.parametrize(
    ("expected", "answer", "words"),
    [
        ({"prediction": 0.5}, {"prediction": 0.51}, "the answer at /prediction is 0.51 instead of 0.5"),
        ({"p": {"yes": [1, 2]}}, {"p": {"yes": [1, 3]}}, "the answer at /p/yes/1 is 3 instead of 2"),
        ({"prediction": 1}, {}, "the answer at /prediction is missing instead of 1"),
        ({"churn": True}, {"churn": 1}, "the answer at /churn is 1 instead of true"),
        ([1], [1, 2], "the answer is [1, 2] instead of [1]"),
        ({"a": None}, {}, "the answer at /a is missing instead of null"),
        ("yes", None, 'the answer is null instead of "yes"'),
        ("x" * 100, 1, 'the answer is 1 instead of "' + "x" * 56 + "..."),
    ],
)
def test_another_answer(expected: Any, answer: Any, words: str) -> None:
    assert Golden(1, expected).difference(answer) == words


def test_a_line_has_its_own_path_and_tolerance(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text(
        '{"request": [1], "expected": 2, "path": "/invocations", "tolerance": 0.5}\n\n{"request": 1, "expected": 1}\n'
    )
    first, second = read_golden(path)
    assert (first, second) == (Golden([1], 2, "/invocations", 0.5), Golden(1, 1))
    assert first.difference(2.9) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no requests"),
        ('{"request": 1, "expected": 1}\n[1]\n', "Line 2"),
        ('{"request": 1, "expected": 1, "tolerence": 1}', "unknown keys: tolerence"),
        ('{"request": 1}', "missing keys: expected"),
        ('{"request": 1, "expected": 1, "path": "predict"}', "the path must begin with /"),
        ('{"request": 1, "expected": 1, "tolerance": "none"}', "the tolerance must be a number"),
        ("{", "Line 1"),
        ('{"request": 1, "expected": 1, "model": 5}', "the model must be a name"),
        (
            '{"request": {"a": 1, "b": 2}, "expected": 1}\n\n{"request": {"b": 2, "a": 1}, "expected": 3}',
            "Lines 1 and 3",
        ),
    ],
)
def test_lines_that_are_no_golden_requests(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text(text)
    with pytest.raises(BadSetting, match=words):
        read_golden(path)
