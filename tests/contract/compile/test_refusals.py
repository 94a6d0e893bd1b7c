"""A refusal is one sentence that names the estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import ensemble as en
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, QuantileTransformer, SplineTransformer
from sklearn.svm import SVC

from modelserve_control.compile import CannotCompile, compile
from proving import NUMBERS, customers, fit, signature_of, targets, with_encoder
from signatures import signature


class Own(Ridge):  # type: ignore[misc]  # scikit-learn has no types
    """A subclass, which may override anything."""


TABLE = customers()
REFUSED = [
    (Own(), "value", "Own"),
    (GaussianProcessRegressor(), "value", "GaussianProcessRegressor"),
    (TransformedTargetRegressor(Ridge()), "value", "TransformedTargetRegressor"),
    (SGDClassifier(loss="modified_huber"), "two", "modified_huber"),
    (DummyClassifier(strategy="stratified"), "two", "at random"),
    (en.AdaBoostClassifier(LogisticRegression(), n_estimators=2), "two", "LogisticRegression"),
    (en.GradientBoostingRegressor(init=Ridge(), n_estimators=2), "value", "Ridge"),
    (KNeighborsClassifier(metric="cosine"), "two", "cosine"),
    (xgboost.XGBRegressor(booster="gblinear"), "value", "gblinear"),
    (make_pipeline(QuantileTransformer(n_quantiles=10), Ridge()), "value", "QuantileTransformer"),
    (make_pipeline(SplineTransformer(), Ridge()), "value", "SplineTransformer"),
    (make_pipeline(FunctionTransformer(np.abs), Ridge()), "value", "FunctionTransformer"),
]


@pytest.mark.parametrize(("model", "target", "named"), REFUSED, ids=[row[2] for row in REFUSED])
def test_an_estimator_without_a_compiled_form_is_named(model: Any, target: str, named: str) -> None:
    pipeline = fit(with_encoder(model), TABLE, targets(TABLE)[target])
    with pytest.raises(CannotCompile, match=named) as refused:
        compile(pipeline, signature_of(TABLE))
    assert str(refused.value).endswith(".")


@pytest.mark.filterwarnings("ignore:The `probability`:FutureWarning")
def test_probabilities_that_libsvm_iterates_are_refused() -> None:
    pipeline = fit(with_encoder(SVC(probability=True)), TABLE, targets(TABLE)["two"])
    with pytest.raises(CannotCompile, match="CalibratedClassifierCV"):
        compile(pipeline, signature_of(TABLE))


@pytest.mark.parametrize(
    "vectorizer", [CountVectorizer(ngram_range=(1, 2)), CountVectorizer(analyzer="char"), HashingVectorizer()]
)
def test_tokenizers_that_are_not_proved_equal_are_refused(vectorizer: Any) -> None:
    table = customers(nulls=False)
    pipeline = make_pipeline(make_column_transformer((vectorizer, "payment")), Ridge())
    fit(pipeline, table, targets(table)["value"])
    with pytest.raises(CannotCompile, match="Vectorizer"):
        compile(pipeline, signature_of(table))


def test_a_category_with_the_character_for_nulls_is_refused() -> None:
    table = pd.DataFrame({"a": ["x", "\uffff\ufffenull"] * 4})
    model = fit(make_pipeline(OneHotEncoder(), Ridge()), table, np.arange(8.0))
    with pytest.raises(CannotCompile, match="reserved for nulls"):
        compile(model, signature_of(table))


def test_a_column_of_another_type_is_refused() -> None:
    with pytest.raises(CannotCompile, match="day"):
        compile(fit(Ridge(), TABLE[["tenure"]], TABLE["tenure"]), signature(day="datetime"))


def test_columns_in_another_order_than_the_model_was_fitted_on_are_refused() -> None:
    table = customers(nulls=False)[NUMBERS]
    model = fit(Ridge(), table, table["tenure"])
    with pytest.raises(CannotCompile, match="another order"):
        compile(model, signature_of(table[NUMBERS[::-1]]))


def test_a_column_that_the_signature_lacks_is_named() -> None:
    pipeline = fit(with_encoder(Ridge()), TABLE, targets(TABLE)["value"])
    with pytest.raises(CannotCompile, match="payment"):
        compile(pipeline, signature_of(TABLE.drop(columns="payment")))


def test_neighbours_of_a_large_table_are_refused() -> None:
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(30_000, 8)))
    table.columns = [f"c{place}" for place in range(8)]
    model = fit(KNeighborsClassifier(), table, np.arange(30_000) % 2)
    with pytest.raises(CannotCompile, match="240,000 values"):
        compile(model, signature_of(table))
