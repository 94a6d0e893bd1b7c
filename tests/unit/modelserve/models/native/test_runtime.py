from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from modelserve.models.native import runtime as native
from modelserve.models.native.runtime import NativeRuntime
from modelserve.payloads.tables import from_records
from modelserve.schema.batch import Batch, Table, concatenate, one_row, split, take_rows
from modelserve.schema.signature import Signature, from_mlmodel, infer
from modelserve.schema.texts import Words
from modelserve.store.trust.mlmodel import ModelConfig
from modelserve.store.trust.policy import check
from signatures import LIMITS, nameless, signature, signature_of

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow and its flavors deprecate is not ours to mend

CUSTOMER = {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}
RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


def load(directory: Path) -> tuple[NativeRuntime, Signature | None]:
    config = check(directory, "pickle")
    known = from_mlmodel(config.signature)
    return native.load(directory, config, known), known


def batch(known: Signature | None, *records: Mapping[str, Any]) -> Batch:
    table = from_records(records, known, LIMITS)
    return known.check(table) if known else infer(table)


def pyfunc(directory: Path, *records: Mapping[str, Any], params: Any = None) -> Any:
    import mlflow.pyfunc
    import pandas as pd

    return mlflow.pyfunc.load_model(str(directory)).predict(pd.DataFrame(list(records)), params=params)


MODELS: list[tuple[str, Mapping[str, Any], tuple[str, ...], tuple[Any, ...] | None, bool]] = [
    ("churn", CUSTOMER, ("predict", "predict_proba", "predict_log_proba", "decision_function"), ("no", "yes"), True),
    ("churn_cloudpickle", CUSTOMER, ("predict", "predict_proba", "predict_log_proba", "decision_function"), ("no", "yes"), True),
    ("no_signature", CUSTOMER, ("predict", "predict_proba", "predict_log_proba", "decision_function"), ("no", "yes"), True),
    ("integer_labels", {"length": 1.0, "width": 0.2}, ("predict", "predict_proba", "predict_log_proba", "decision_function"), (10, 20, 30), True),
    ("ride_duration", RIDE, ("predict",), None, True),
    ("two_outputs", {"x": 2.0}, ("predict",), None, True),
    ("boosted", {"length": 1.0, "width": 0.2}, ("predict",), None, True),
    ("framed", {"x": 3.0}, ("predict",), None, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "record", "methods", "classes", "mergeable"), MODELS, ids=[row[0] for row in MODELS])
def test_a_model_answers_exactly_what_pyfunc_gives(
    models: Library, name: str, record: Mapping[str, Any], methods: Any, classes: Any, mergeable: bool
) -> None:
    runtime, known = load(models.path(name))
    assert (runtime.kind, runtime.methods, runtime.classes, runtime.mergeable) == (
        "native",
        methods,
        classes,
        mergeable,
    )
    found = runtime.score(batch(known, record, record), ["predict"], {})["predict"]
    theirs = pyfunc(models.path(name), record, record)
    assert type(found) is type(theirs)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(theirs))


def test_several_methods_of_a_pipeline_are_each_what_the_method_gives(models: Library) -> None:
    runtime, known = load(models.path("churn"))
    rows = batch(known, CUSTOMER, CUSTOMER | {"tenure": 1, "contract": "month-to-month"})
    together = runtime.score(rows, runtime.methods, {})
    for method in runtime.methods:
        np.testing.assert_array_equal(together[method], runtime.score(rows, [method], {})[method])


def test_several_methods_of_an_estimator_without_a_pipeline(models: Library) -> None:
    runtime, known = load(models.path("string_labels"))
    found = runtime.score(batch(known, {"length": 1.0, "width": 0.2}), ["predict", "predict_proba"], {})
    assert found["predict"].tolist() == ["setosa"]
    assert found["predict_proba"].shape == (1, 3)


def test_params_reach_a_python_model(models: Library) -> None:
    runtime, known = load(models.path("params"))
    assert known is not None
    params = known.check_params({"factor": 3})
    rows = batch(known, {"x": 2.0})
    assert runtime.score(rows, ["predict"], params)["predict"].tolist() == [6.0]
    assert pyfunc(models.path("params"), {"x": 2.0}, params={"factor": 3.0}).tolist() == [6.0]


def test_a_tensor_model_gets_its_array(models: Library) -> None:
    runtime, known = load(models.path("tensor"))
    rows = batch(known, {"0": [1.0, 0.2]}, {"0": [6.5, 2.4]})
    assert isinstance(runtime.model_input(rows), np.ndarray)
    assert runtime.score(rows, ["predict"], {})["predict"].tolist() == [0, 2]


def test_a_model_without_names_sees_those_that_came(models: Library) -> None:
    runtime, _ = load(models.path("ride_duration"))
    runtime.signature = known = nameless("long", "string")
    rows = batch(known, {"p": 1, "q": "x"}, {"q": "y", "p": 2})
    assert runtime.model_input(rows).to_dict("list") == {"p": [1, 2], "q": ["x", "y"]}
    parts = [one_row(rows, 1), take_rows(rows, [1]), split(rows, [1, 1])[1]]
    assert [list(runtime.model_input(part).columns) for part in parts] == [["p", "q"]] * 3
    assert concatenate([rows, rows]).names == ("p", "q")
    assert list(runtime.model_input(batch(known, {"0": 1, "1": "x"})).columns) == [0, 1]


def test_a_model_that_names_another_method_has_it_first(models: Library) -> None:
    directory = models.path("churn")
    config = check(directory, "strict")
    known = from_mlmodel(config.signature)
    runtime = native.load(directory, replace(config, predict_fn="predict_proba"), known)
    assert runtime.methods[:2] == ("predict_proba", "predict")
    with pytest.raises(ValueError, match="predict_fn score is not one of predict"):
        native.load(directory, replace(config, predict_fn="score"), known)


def test_a_python_model_with_type_hints_is_called_through_pyfunc(tmp_path: Path) -> None:
    import mlflow.pyfunc
    from mlflow.pyfunc.model import PythonModel

    class Lengths(PythonModel):
        def predict(self, model_input: list[str], params: Any = None) -> list[int]:  # type: ignore[override]  # MLflow takes it without a context
            return [len(text) for text in model_input]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(tmp_path / "m", python_model=Lengths(), pip_requirements=["mlflow"])
    runtime, known = load(tmp_path / "m")
    assert known is not None
    rows = known.check(from_records([{"0": "ab"}, {"0": "abc"}], known, LIMITS))
    assert runtime.score(rows, ["predict"], {})["predict"] == [2, 3]
    assert (runtime.methods, runtime.mergeable) == (("predict",), False)


class Several:
    classes_ = (np.array([0, 1]), np.array(["a", "b"]))


class One:
    classes_ = ("a", "bc")


@pytest.mark.parametrize(
    ("estimator", "classes"), [(Several(), None), (One(), ("a", "bc")), (None, None), (object(), None)]
)
def test_only_one_output_has_classes(estimator: Any, classes: Any) -> None:
    assert native.find_classes(estimator) == classes


def with_params(data: Any, params: Any) -> None: ...
def with_any(data: Any, **params: Any) -> None: ...
def without(data: Any) -> None: ...


@pytest.mark.parametrize(
    ("call", "takes"), [(with_params, True), (with_any, False), (without, False), (dict.fromkeys, False), (type, False)]
)
def test_params_are_passed_only_to_what_takes_them_by_name(call: Any, takes: bool) -> None:
    assert native.accepts_params(call) is takes


@pytest.mark.parametrize(
    "known",
    [
        signature(s="string?", x="double"),
        signature_of([{"type": "string", "required": False}, {"type": "double", "required": True}]),
    ],
)
def test_a_text_beside_nulls_and_a_column_of_nulls_have_one_type(known: Signature) -> None:
    runtime = NativeRuntime({"predict": without}, None, ModelConfig({}, "m"), known)
    first = known.names[0]
    tables = [{first: values, known.names[1]: [1.0] * len(values)} for values in ([None], ["a", None], ["a"])]
    frames = [runtime.model_input(known.check(Table(columns, len(columns[first])))) for columns in tables]
    assert [str(frame.dtypes.iloc[0]) for frame in frames] == ["str"] * 3
    assert [frame.iloc[:, 0].isna().tolist() for frame in frames] == [[True], [False, True], [False]]
    assert frames[0].iloc[0, 0] != frames[0].iloc[0, 0]  # NaN, as beside texts, and not None
    assert list(frames[0].columns) == ([first, "x"] if known.named else [0, 1])


@pytest.mark.parametrize("words", [["b", "a"], ["b", None], [None], ["b", "a", None]], ids=str)
@pytest.mark.parametrize("required", [True, False])
def test_texts_that_stand_there_once_are_the_same_frame(words: list[Any], required: bool) -> None:
    import pandas as pd

    if required and None in words:
        words = ["b", *words]  # a word of a row that was refused
    column: Any = Words(words, np.array([0, len(words) - 1 - required * (None in words), 0], np.int32))
    known = signature(t="string" if required else "string?", x="double")
    runtime = NativeRuntime({"predict": without}, None, ModelConfig({}, "m"), known)
    frames = [
        runtime.model_input(Batch({"t": texts, "x": np.arange(3.0)}, 3)) for texts in (column, np.asarray(column))
    ]
    pd.testing.assert_frame_equal(frames[0], frames[1], check_dtype=False)  # texts of Python beside texts of Arrow
    assert [str(kind) for kind in frames[0].dtypes] == [str(kind) for kind in frames[1].dtypes] == ["str", "float64"]
    assert frames[0].t.tolist() == pytest.approx(frames[1].t.tolist(), nan_ok=True)
