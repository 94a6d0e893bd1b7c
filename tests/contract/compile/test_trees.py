"""Trees and forests. The rows include the neighbours of every threshold, in double and in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn import ensemble as en
from sklearn import tree as tr
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from modelserve.models.compiled import packing
from modelserve.models.compiled.packing import Split
from modelserve.models.compiled.runtime import CHUNK_ROWS, CompiledRuntime, load
from modelserve.schema.batch import Batch, split
from modelserve_control.compile import compile
from proving import NUMBERS, TEXTS, batch_of, customers, fit, prove, prove_family, signature_of, targets, with_encoder

CLASSIFIERS = [
    tr.DecisionTreeClassifier(),
    tr.ExtraTreeClassifier(),
    en.RandomForestClassifier(20, n_jobs=1, random_state=1),
    en.ExtraTreesClassifier(20, n_jobs=1, random_state=1),
    en.AdaBoostClassifier(n_estimators=10, random_state=1),
]
REGRESSORS = [
    tr.DecisionTreeRegressor(),
    tr.ExtraTreeRegressor(),
    en.RandomForestRegressor(20, n_jobs=1, random_state=1),
    en.ExtraTreesRegressor(20, n_jobs=1, random_state=1),
]


def name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize("model", CLASSIFIERS, ids=name)
@pytest.mark.parametrize("target", ["two", "three"])
def test_tree_classifiers_compile(model: Any, target: str) -> None:
    prove_family(model, target)


@pytest.mark.parametrize("model", REGRESSORS, ids=name)
def test_tree_regressors_compile(model: Any) -> None:
    prove_family(model, "value")


def test_a_tree_sends_nulls_where_it_learned_to() -> None:
    table = customers()[NUMBERS]
    prove(en.RandomForestClassifier(10, random_state=1), table, targets(customers())["three"])


def test_a_tree_of_one_leaf_compiles() -> None:
    table = customers()[NUMBERS]
    prove(tr.DecisionTreeRegressor(min_samples_leaf=300), table, targets(customers())["value"])


def test_several_outputs_of_a_regressor_are_columns() -> None:
    table = customers(nulls=False)[NUMBERS]
    pipeline = make_pipeline(make_column_transformer(("passthrough", NUMBERS)), en.RandomForestRegressor(5))
    prove(pipeline, table, table[["tenure", "monthly"]] * 2.0)


@pytest.mark.parametrize(
    ("model", "sorts"),
    [
        (en.RandomForestClassifier(20, random_state=1), True),
        (en.HistGradientBoostingClassifier(min_samples_leaf=2, max_iter=100, random_state=1), True),
        (tr.DecisionTreeClassifier(max_depth=6), False),
        (LogisticRegression(), False),
    ],
    ids=name,
)
def test_many_rows_are_answered_as_the_same_rows_in_small_calls(model: Any, sorts: bool) -> None:
    table = customers(CHUNK_ROWS + 1_000)
    pipeline = fit(with_encoder(model), table, targets(table)["two"])
    runtime, batch = load_compiled(pipeline, table)
    found = runtime.score(batch, runtime.methods, {})
    parts = [runtime.score(part, runtime.methods, {}) for part in split(batch, [500] * (batch.rows // 500))]
    for method in runtime.methods:
        together = np.concatenate([part[method] for part in parts])
        np.testing.assert_array_equal(found[method], together, strict=True)
    feeds = runtime.packing.of_batch(batch)
    assert (runtime.row_order.places(feeds, batch.rows) is not None) is sorts


def load_compiled(pipeline: Any, table: pd.DataFrame) -> tuple[CompiledRuntime, Batch]:
    signature = signature_of(table)
    compiled = compile(pipeline, signature)
    return load(compiled.packed_model, compiled.metadata()), batch_of(signature, table)


@pytest.mark.parametrize("column", ["total", "contract"])
def test_rows_are_ordered_by_splits_of_the_columns_that_the_graph_is_fed(column: str) -> None:
    """A number that is scaled for the trees, and a category that is one of several columns for them."""
    table = customers(1_000, nulls=False)
    truth = table["total"] > 1_500 if column == "total" else table["contract"] == "two_year"
    noise = np.random.default_rng(1).random(len(table)) < 0.2
    forest = en.RandomForestClassifier(30, max_depth=8, max_features=None, random_state=1)
    runtime, _ = load_compiled(fit(with_encoder(forest), table, np.where(truth ^ noise, "yes", "no")), table)
    plan = runtime.packing.plan
    if column == "total":
        (place,) = [place for place, one in enumerate(plan.numbers) if one.name == column]
        first = next(one for one in plan.splits if (one.tensor, one.column) == (packing.NUMBERS, place))
        assert 1_400 < first.value < 1_600
    else:
        (place,) = [place for place, one in enumerate(plan.lookups) if one.name == column]
        codes = dict(zip(plan.lookups[place].keys, plan.lookups[place].codes, strict=True))
        assert plan.splits[0] == Split(packing.CODES, place, codes["two_year"])


def test_categories_that_trees_take_as_numbers_are_fed_as_numbers() -> None:
    """Of columns of texts and of a number with nulls; the graph has no node before its trees."""
    table = customers()
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), [*TEXTS, "total"]),
        ("passthrough", ["tenure"]),
    )
    model = en.HistGradientBoostingClassifier(min_samples_leaf=2, random_state=1)
    pipeline = fit(make_pipeline(encode, model), table, targets(table)["two"])
    proof = prove(pipeline, table)
    runtime = load(proof.compiled.packed_model, proof.compiled.metadata())
    assert [one.name for one in runtime.packing.plan.numbers] == [*TEXTS, "total", "tenure"]
    assert runtime.packing.plan.lookups == []
    assert [
        node.input[0]
        for node in onnx.load_from_string(proof.compiled.packed_model).graph.node
        if node.op_type == "TreeEnsemble"
    ] == ["numbers"]
