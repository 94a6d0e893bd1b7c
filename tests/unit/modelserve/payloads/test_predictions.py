from __future__ import annotations

import io
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelserve.payloads.predictions import Presentation, encode, jsonable, label_text, results

OUTPUTS: dict[str, Any] = {
    "floats": np.array([1.5, 2.0, -0.0]),
    "float32": np.array([0.1, 2.5], dtype="float32"),
    "two dimensions": np.array([[0.1, 0.9], [0.5, 0.5]]),
    "three dimensions": np.arange(8).reshape(2, 2, 2),
    "integers": np.array([1, 2**62]),
    "booleans": np.array([True, False]),
    "texts": np.array(["a", "é"]),
    "objects": np.array(["a", None, 1.5], dtype=object),
    "bytes": np.array([b"ab", b"x" * 100], dtype=object),
    "no rows": np.array([]),
    "zero dimensions": np.array(5.0),
    "series": pd.Series([1, 2]),
    "named series": pd.Series([1.5, 2], name="duration"),
    "series of datetimes": pd.Series(pd.to_datetime(["2024-01-01T00:00:00.0", "2024-01-02T03:04:05.5"])),
    "frame": pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1.0]}),
    "frame of numbered columns": pd.DataFrame([[1, 2], [3, 4]]),
    "frame of datetimes": pd.DataFrame({"t": pd.to_datetime(["2024-01-01T01:02:03.5"])}),
    "frame of lists": pd.DataFrame({"l": [[1, 2], []]}),
    "empty frame": pd.DataFrame({"a": []}),
    "list": [1, "a", None, True, 0.5],
    "tuple": (1, 2),
    "list of numpy": [np.float32(0.5), np.int64(3), np.bool_(True), np.str_("s"), np.array([1, 2])],
    "dict": {"a": np.float64(1), "b": [np.int8(1)], "c": {"d": None}},
    "dict of numbers": {1: "x"},
    "text": "text",
    "raw bytes": b"\x00\xff",
    "byte array": bytearray(b"ab"),
    "scalar": np.float32(1.1),
    "timestamp": pd.Timestamp("2024-01-01T00:00:01"),
    "nothing": None,
}

# Where this kit differs: JSON has no NaN, a datetime is readable in whatever object it comes, and no output fails.
DIFFERENT: dict[str, tuple[Any, Any]] = {
    "non-finite": (np.array([1.0, np.nan, np.inf, -np.inf]), [1.0, None, None, None]),
    "non-finite in a frame": (pd.DataFrame({"x": [1.0, np.nan]}), [{"x": 1.0}, {"x": None}]),
    "datetime array": (np.array(["2024-01-01", "NaT"], dtype="M8[s]"), ["2024-01-01T00:00:00", None]),
    "datetimes in two dimensions": (np.array([["2024-01-01"], ["NaT"]], dtype="M8[D]"), [["2024-01-01"], [None]]),
    "missing": ([pd.NaT, pd.NA], [None, None]),
    "nullable integers": (pd.DataFrame({"x": pd.array([1, None], dtype="Int64")}), [{"x": 1}, {"x": None}]),
    "complex": (np.array([1 + 2j]), ["(1+2j)"]),
    "keys": ({(1, 2): 1, None: 2}, {"(1, 2)": 1, "None": 2}),
}


@pytest.fixture(scope="module")
def mlflow_json() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what MLflow's imports deprecate is not ours to mend
        import mlflow.pyfunc.scoring_server as server

    def answer(value: Any) -> Any:
        text = io.StringIO()
        server.predictions_to_json(value, text)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
        return json.loads(text.getvalue())["predictions"]

    return answer


@pytest.mark.parametrize("name", OUTPUTS)
def test_predictions_are_those_of_mlflows_scoring_server(name: str, mlflow_json: Any) -> None:
    assert json.loads(encode(jsonable(OUTPUTS[name]))) == mlflow_json(OUTPUTS[name])


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_mlflow_cannot_say_in_json_is_said(name: str) -> None:
    output, expected = DIFFERENT[name]
    assert json.loads(encode(jsonable(output)), parse_constant=pytest.fail) == expected


CHURN = Presentation("yes", 0.6, "churn")
SHARES = [[0.3, 0.7], [0.5, 0.5]]


def test_a_classifiers_result_has_its_label_and_probabilities() -> None:
    assert results(["yes", "no"], SHARES, ("no", "yes"), Presentation()) == [
        {"prediction": "yes", "probabilities": {"no": 0.3, "yes": 0.7}},
        {"prediction": "no", "probabilities": {"no": 0.5, "yes": 0.5}},
    ]


def test_the_presentation_adds_the_positive_class_under_its_label() -> None:
    rows = results(["yes", "no"], SHARES, ("no", "yes"), CHURN)
    assert [(row["churn_probability"], row["churn"]) for row in rows] == [(0.7, True), (0.5, False)]
    unlabelled = results(["yes"], [[0.4, 0.6]], ("no", "yes"), Presentation("yes", 0.6))
    assert (unlabelled[0]["yes_probability"], unlabelled[0]["yes"]) == (0.6, True)


@pytest.mark.parametrize(("classes", "keys"), [((False, True), ["false", "true"]), ((10, 20), ["10", "20"])])
def test_labels_are_json_keys(classes: tuple[Any, ...], keys: list[str]) -> None:
    names = [label_text(label) for label in classes]
    row = results([classes[0]], [[0.9, 0.1]], names, Presentation(keys[1]))[0]
    assert list(row["probabilities"]) == keys
    assert row[f"{keys[1]}_probability"] == 0.1


def test_a_regressors_result_has_its_label_or_is_called_prediction() -> None:
    assert results([21.3], None, None, Presentation(label="duration")) == [{"duration": 21.3}]
    assert results([[1, 2]], None, None, Presentation()) == [{"prediction": [1, 2]}]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, Presentation()),
        ({"positive_class": "yes", "threshold": 0.6, "label": "churn"}, CHURN),
        ({"positive_class": None, "threshold": None, "label": "x"}, Presentation(None, 0.5, "x")),
        ({"threshold": 0}, Presentation(None, 0.0, None)),
    ],
)
def test_the_presentation_comes_from_the_manifest(raw: Any, expected: Presentation) -> None:
    assert Presentation.from_manifest(raw) == expected
