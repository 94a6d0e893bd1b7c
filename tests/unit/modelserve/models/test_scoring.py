from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from modelserve.core.errors import InvalidParams, ModelFailed, SignatureMismatch, UnknownMethod
from modelserve.models import scoring
from modelserve.models.scorers.inline import InlineScorer
from modelserve.models.version import Loaded
from modelserve.payloads import Payload
from modelserve.payloads.predictions import Presentation
from modelserve.schema.batch import Batch
from modelserve.schema.extra_columns import ExtraColumns
from signatures import signature, signature_of, table
from tiny import Tiny, loaded, run

X = signature(x="double")
OTHERS = ExtraColumns(frozenset({"a", "b", "c"}))


def payload(*values: Any, **more: Any) -> Payload:
    return Payload(table(x=list(values)), **more)


def predict(runtime: Tiny, request: Payload, known: Any = X) -> Any:
    with loaded(runtime, known) as made:
        return asyncio.run(score_method(made, scoring.check(made, request.table), request.params, request.method))


async def score_method(made: Loaded, batch: Batch, params: Mapping[str, Any], method: str | None) -> Any:
    name = scoring.check_method(made, method)
    return (await scoring.score(made, batch, [name], params))[name]


def results(runtime: Tiny, request: Payload, presentation: Presentation | None = None) -> Any:
    with loaded(runtime, X, presentation) as made:
        batch = scoring.check(made, request.table)
        return asyncio.run(scoring.batch_results(made, batch, request.params, request.method))


def test_predictions_are_json_values_one_per_row() -> None:
    assert predict(Tiny(), payload(1, 2.5)) == [2.0, 5.0]
    assert predict(Tiny(), payload(1, 2), None) == [2, 4]


def test_no_rows_do_not_reach_the_model() -> None:
    runtime = Tiny()
    assert predict(runtime, payload()) == []
    assert runtime.sizes == []


def test_a_method_is_the_one_asked_for_or_the_first() -> None:
    runtime = Tiny(methods=("predict", "predict_proba"))
    predict(runtime, payload(1))
    predict(runtime, payload(1, method="predict_proba"))
    assert [methods for methods, _ in runtime.seen] == [("predict",), ("predict_proba",)]
    with pytest.raises(UnknownMethod, match="it has predict, predict_proba"):
        predict(runtime, payload(1, method="transform"))


def test_params_reach_the_model_with_their_defaults() -> None:
    runtime = Tiny()
    known = signature_of(
        [{"name": "x", "type": "double"}], [{"name": "k", "type": "long", "default": 3, "shape": None}]
    )
    predict(runtime, payload(1), known)
    predict(runtime, payload(1, params={"k": 4}), known)
    assert [params for _, params in runtime.seen] == [{"k": 3}, {"k": 4}]
    with pytest.raises(InvalidParams, match="has no signature, so it takes no params"):
        predict(runtime, payload(1, params={"k": 4}), None)


def test_bad_cells_and_params_do_not_reach_the_model() -> None:
    runtime = Tiny()
    with pytest.raises(SignatureMismatch):
        predict(runtime, payload("no"))
    with pytest.raises(InvalidParams):
        predict(runtime, payload(1, params={"k": 4}))
    assert runtime.sizes == []


class Classifier(Tiny):
    def score(self, batch: Any, methods: Sequence[str], params: Any) -> dict[str, Any]:
        super().score(batch, methods, params)
        shares = np.column_stack([1 - batch.columns["x"], batch.columns["x"]])
        return {"predict": np.where(shares[:, 1] > 0.5, "yes", "no"), "predict_proba": shares}


def classifier(*methods: str) -> Classifier:
    return Classifier(methods=methods, classes=("no", "yes"))


def test_a_classifier_answers_labels_and_probabilities_from_one_call() -> None:
    runtime = classifier("predict", "predict_proba")
    presentation = Presentation("yes", 0.2, "churn")
    assert results(runtime, payload(0.25), presentation) == [
        {"prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}, "churn_probability": 0.25, "churn": True}
    ]
    assert runtime.sizes == [1]


def test_a_classifier_without_probabilities_answers_its_label() -> None:
    assert results(classifier("predict"), payload(0.9)) == [{"prediction": "yes"}]


def test_a_method_that_was_asked_for_is_the_prediction() -> None:
    assert results(classifier("predict", "predict_proba"), payload(0.25, method="predict_proba")) == [
        {"prediction": [0.75, 0.25]}
    ]


def test_a_regressor_answers_under_its_label() -> None:
    assert results(Tiny(), payload(1, 2), Presentation(label="duration")) == [{"duration": 2.0}, {"duration": 4.0}]


@pytest.mark.parametrize("output", [{"a": 1}, 5.0, "text", [1, 2, 3], None])
def test_an_output_without_a_row_per_row_is_asked_for_row_by_row(output: Any) -> None:
    assert results(Tiny(lambda batch: output), payload(1)) == [{"prediction": output}]
    runtime = Tiny(lambda batch: output)
    assert results(runtime, payload(1, 2)) == [{"prediction": output}] * 2
    assert runtime.sizes == [2, 1, 1]


def drop_twos(batch: Any) -> Any:
    return batch.columns["x"][batch.columns["x"] != 2]


def test_rows_that_the_model_drops_get_no_answer_and_the_others_their_own() -> None:
    with loaded(Tiny(drop_twos), X) as made:
        batch = scoring.check(made, table(x=[1, 2, 3, 2]))
        found = asyncio.run(scoring.row_results(made, batch, {}, None))
    assert [one.message if isinstance(one, ModelFailed) else one for one in found] == [
        {"prediction": 1.0},
        "The model gave 0 answers to 1 row.",
        {"prediction": 3.0},
        "The model gave 0 answers to 1 row.",
    ]


@pytest.mark.parametrize("ask", [predict, results])
def test_a_request_is_answered_for_all_its_rows_or_not_at_all(ask: Any) -> None:
    with pytest.raises(ModelFailed, match=r"^The model has no answer for 1 of 3 rows\.$") as raised:
        ask(Tiny(drop_twos), payload(1, 2, 3))
    assert raised.value.details == [{"row": 1, "column": None, "reason": "The model gave 0 answers to 1 row."}]


@pytest.mark.parametrize("ask", [predict, results])
def test_cells_that_only_the_compiled_form_has_no_place_for_are_told_together(ask: Any) -> None:
    class Rounds(Tiny):
        def score(self, batch: Any, methods: Sequence[str], params: Any) -> dict[str, Any]:
            rows = np.flatnonzero(batch.columns["x"] == 2).tolist()
            if rows:
                raise SignatureMismatch(
                    "2 cells do not fit.", [{"row": row, "column": "x", "reason": "two"} for row in rows]
                )
            return super().score(batch, methods, params)

    runtime = Rounds()
    asked: Any = score_method if ask is predict else scoring.batch_results
    with loaded(runtime, X) as made:
        inline = replace(made, scorer=InlineScorer(runtime, 1_000, 100))
        batch = scoring.check(inline, table(x=[1, 2, 3, 2]))
        with pytest.raises(SignatureMismatch, match=r"^2 cells do not fit") as raised:
            asyncio.run(asked(inline, batch, {}, None))
    assert [detail["row"] for detail in raised.value.details] == [1, 3]


def test_forms_of_mlflow_get_their_rows_too() -> None:
    runtime = Tiny(lambda batch: batch.columns["x"][:1])
    assert predict(runtime, payload(1, 2, 3)) == [1.0, 2.0, 3.0]
    assert predict(Tiny(lambda batch: {"sum": batch.columns["x"].sum()}), payload(1, 2)) == {"sum": 3.0}


def test_probabilities_of_other_rows_than_the_labels_are_no_answer() -> None:
    class Short(Classifier):
        def score(self, batch: Any, methods: Sequence[str], params: Any) -> dict[str, Any]:
            outputs = super().score(batch, methods, params)
            return {**outputs, "predict_proba": outputs["predict_proba"][:1]}

    runtime = Short(methods=("predict", "predict_proba"), classes=("no", "yes"))
    assert [row["prediction"] for row in results(runtime, payload(0.25, 0.75))] == ["no", "yes"]
    assert runtime.sizes == [2, 1, 1]


SHARES = [np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])]


def test_probabilities_of_several_outputs_are_a_list_of_outputs_per_row() -> None:
    runtime = Tiny(lambda batch: [part[: batch.rows] for part in SHARES], methods=("predict", "predict_proba"))
    assert results(runtime, payload(1, 2, method="predict_proba")) == [
        {"prediction": [[0.9, 0.1], [0.5, 0.3, 0.2]]},
        {"prediction": [[0.2, 0.8], [0.1, 0.1, 0.8]]},
    ]
    assert results(runtime, payload(1, method="predict_proba")) == [{"prediction": [[0.9, 0.1], [0.5, 0.3, 0.2]]}]
    assert predict(runtime, payload(1, 2, method="predict_proba")) == [part.tolist() for part in SHARES]


def test_a_list_of_arrays_is_not_taken_for_one_item_per_row() -> None:
    whole = [part.tolist() for part in SHARES]
    assert results(Tiny(lambda batch: SHARES), payload(1, 2)) == [{"prediction": whole}] * 2


def test_a_method_that_is_named_twice_is_called_once() -> None:
    runtime = Tiny(methods=("predict",))
    with loaded(runtime, X) as made:
        batch = scoring.check(made, table(x=[1.0]))
        assert asyncio.run(scoring.score(made, batch, ["predict"] * 3, {})) == {"predict": [2.0]}
    assert [methods for methods, _ in runtime.seen] == [("predict",)]


def test_only_many_results_are_converted_on_another_thread() -> None:
    class Value:
        def isoformat(self) -> str:
            seen.add(threading.get_ident())
            return ""

    for rows in (scoring.INLINE_ROWS, scoring.INLINE_ROWS + 1):
        for ask in (predict, results):
            seen: set[int] = set()
            ask(Tiny(lambda batch: [Value()] * batch.rows), payload(*[1.0] * rows))
            assert (seen == {threading.get_ident()}) == (rows == scoring.INLINE_ROWS)


def double(batch: Batch) -> Any:
    return batch.columns["x"] * 2


@pytest.mark.parametrize(
    "output",
    [
        lambda batch: pd.Categorical(double(batch)),
        lambda batch: pd.Index(double(batch)),
        lambda batch: pd.Series(double(batch)).astype("Float64").array,
        lambda batch: pa.array(double(batch)),
        lambda batch: pa.table({"y": double(batch)}),
    ],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_arrays_and_tables_of_other_libraries_are_answers(output: Callable[[Batch], Any], rows: int) -> None:
    runtime = Tiny(answer=output)
    with loaded(runtime) as one:
        found = run(scoring.batch_results(one, Batch({"x": np.arange(float(rows))}, rows), {}, None))
    assert found == [{"prediction": 2.0 * row} for row in range(rows)]
    assert runtime.sizes == [rows]


def test_columns_of_an_object_are_lists_whatever_they_were() -> None:
    parts: dict[str, Callable[[Any], Any]] = {
        "series": pd.Series,
        "index": pd.Index,
        "frame": lambda x: pd.DataFrame({"a": x, "b": x}),
    }
    with loaded(Tiny(answer=lambda batch: {name: make(double(batch)) for name, make in parts.items()})) as one:
        found: Any = run(score_method(one, Batch({"x": np.arange(2.0)}, 2), {}, None))
    assert found == {"series": [0.0, 2.0], "index": [0.0, 2.0], "frame": [{"a": 0.0, "b": 0.0}, {"a": 2.0, "b": 2.0}]}


@pytest.mark.parametrize("make", [iter, set, memoryview, lambda values: (value for value in values)])
@pytest.mark.parametrize("rows", [1, 3])
def test_what_has_no_items_to_look_at_is_no_answer(make: Callable[[Any], Any], rows: int) -> None:
    with loaded(Tiny(answer=lambda batch: make(double(batch)))) as one:
        for ask in (score_method, scoring.batch_results):
            with pytest.raises(ModelFailed, match="The model gave a value of the type"):
                run(ask(one, Batch({"x": np.arange(float(rows))}, rows), {}, None))


def test_few_calls_find_the_rows_that_a_model_drops() -> None:
    runtime = Tiny(answer=lambda batch: double(batch)[batch.columns["x"] % 700 != 5])
    with loaded(runtime) as one:
        found = run(scoring.row_results(one, Batch({"x": np.arange(1000.0)}, 1000), {}, None))
    assert [row for row, result in enumerate(found) if isinstance(result, ModelFailed)] == [5, 705]
    assert [result for result in found if isinstance(result, dict)] == [
        {"prediction": 2.0 * row} for row in range(1000) if row % 700 != 5
    ]
    assert len(runtime.sizes) < 60


@pytest.mark.parametrize("items", [1, 2, 4, 9])
def test_halves_of_a_model_that_answers_the_same_number_always_are_not_believed(items: int) -> None:
    runtime = Tiny(answer=lambda batch: [float(double(batch).sum())] * items)
    with loaded(runtime) as one:
        found = run(scoring.row_results(one, Batch({"x": np.arange(8.0)}, 8), {}, None))
    whole = [2.0 * row for row in range(8)]
    assert found == [{"prediction": value if items == 1 else [value] * items} for value in whole]
