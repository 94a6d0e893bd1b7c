"""Gradient boosting of scikit-learn, XGBoost and LightGBM."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn import ensemble as en
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from proving import NUMBERS, TEXTS, customers, prove, prove_family, targets, with_encoder

UNKNOWN = {"handle_unknown": "use_encoded_value", "unknown_value": np.nan}
CLASSIFIERS = [
    en.GradientBoostingClassifier(n_estimators=20),
    en.HistGradientBoostingClassifier(max_iter=20),
    lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1),
]
REGRESSORS = [
    en.GradientBoostingRegressor(n_estimators=20, loss="huber"),
    en.HistGradientBoostingRegressor(max_iter=20),
    lightgbm.LGBMRegressor(n_estimators=20, n_jobs=1, verbose=-1),
    xgboost.XGBRegressor(n_estimators=20, n_jobs=1),
]
LOGARITHMS = [
    en.HistGradientBoostingRegressor(max_iter=20, loss="poisson"),
    lightgbm.LGBMRegressor(n_estimators=20, n_jobs=1, verbose=-1, objective="poisson"),
]


def name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # by lightgbm, after an encoder
@pytest.mark.parametrize("model", CLASSIFIERS, ids=name)
@pytest.mark.parametrize("target", ["two", "three"])
def test_boosted_classifiers_compile(model: Any, target: str) -> None:
    prove_family(model, target)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("model", REGRESSORS, ids=name)
def test_boosted_regressors_compile(model: Any) -> None:
    prove_family(model, "value")


@pytest.mark.parametrize("model", LOGARITHMS, ids=name)
def test_regressors_of_logarithms_compile(model: Any) -> None:
    prove_family(model, "positive")


def test_the_exponential_loss_compiles() -> None:
    prove_family(en.GradientBoostingClassifier(n_estimators=20, loss="exponential"), "two")


@pytest.mark.parametrize("classes", [2, 3])
def test_xgboost_classifiers_compile_to_the_digits_of_float32(classes: int) -> None:
    table = customers()
    labels = np.digitize(targets(table)["value"], [0.5, 1.5][: classes - 1])
    proof = prove(with_encoder(xgboost.XGBClassifier(n_estimators=20, n_jobs=1)), table, labels)
    assert proof.report.greatest_difference < 2e-7


def test_categories_of_histogram_boosting_are_sets() -> None:
    model = en.HistGradientBoostingClassifier(max_iter=20, categorical_features=TEXTS)
    proof = prove(model, customers(), targets(customers())["three"])
    assert any(a.name == "membership_values" for node in proof.compiled.model.graph.node for a in node.attribute)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(
    "model",
    [
        en.HistGradientBoostingClassifier(max_iter=20, categorical_features=[0, 1]),
        lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1, categorical_feature=[0, 1]),
        lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1),
    ],
    ids=["histogram", "lightgbm categories", "lightgbm"],
)
def test_nulls_go_to_the_side_that_was_learned(model: Any) -> None:
    encode = make_column_transformer((OrdinalEncoder(**UNKNOWN), TEXTS), ("passthrough", NUMBERS))
    prove(make_pipeline(encode, model), customers(), targets(customers())["two"])


def test_a_booster_of_lightgbm_compiles_by_itself() -> None:
    table = customers()[NUMBERS]
    data = lightgbm.Dataset(table, targets(customers())["value"] > 0)
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 20)
    proof = prove(booster, table)
    assert [output.name for output in proof.compiled.outputs] == ["predict"]


def test_xgboost_stopped_early_predicts_with_its_best_rounds() -> None:
    table, value = customers()[NUMBERS], targets(customers())["value"]
    model = xgboost.XGBRegressor(n_estimators=200, n_jobs=1, early_stopping_rounds=3)
    model.fit(table[:300], value[:300], eval_set=[(table[300:], value[300:])], verbose=False)
    assert model.best_iteration < 100
    assert prove(model, table).report.greatest_difference < 1e-6
