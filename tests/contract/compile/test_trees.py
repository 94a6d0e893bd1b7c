"""Trees and forests. The rows include the neighbours of every threshold, in double and in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import ensemble as en
from sklearn import tree as tr
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelserve.models.compiled.row_order import MIN_ROWS
from modelserve.models.compiled.runtime import load
from modelserve.schema.batch import split
from modelserve_control.compile import compile
from proving import NUMBERS, batch_of, customers, fit, prove, prove_family, signature_of, targets, with_encoder

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
        (en.RandomForestClassifier(5, random_state=1), True),
        (tr.DecisionTreeClassifier(max_depth=6), False),
        (LogisticRegression(), False),
    ],
    ids=name,
)
def test_many_rows_are_answered_as_the_same_rows_in_small_calls(model: Any, sorts: bool) -> None:
    table = customers(MIN_ROWS)
    pipeline = fit(with_encoder(model), table, targets(table)["two"])
    signature = signature_of(table)
    compiled = compile(pipeline, signature)
    runtime = load(compiled.packed_model, compiled.metadata())
    batch = batch_of(signature, table)
    found = runtime.score(batch, runtime.methods, {})
    parts = [runtime.score(part, runtime.methods, {}) for part in split(batch, [500] * (MIN_ROWS // 500))]
    for method in runtime.methods:
        np.testing.assert_array_equal(found[method], np.concatenate([part[method] for part in parts]))
    assert runtime.has_many_trees is sorts
