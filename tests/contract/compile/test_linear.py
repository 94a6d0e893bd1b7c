"""Linear models after encoders, on rows with texts, numbers and nulls."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn import linear_model as lm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import LinearSVC, LinearSVR

from proving import prove_family

CLASSIFIERS = [
    lm.LogisticRegression(),
    lm.SGDClassifier(loss="log_loss", random_state=1),
    lm.SGDClassifier(random_state=1),
    lm.Perceptron(),
    lm.RidgeClassifier(),
    LinearSVC(),
    LinearDiscriminantAnalysis(),
]
REGRESSORS = [
    lm.LinearRegression(),
    lm.Ridge(),
    lm.Lasso(0.01),
    lm.ElasticNet(0.01),
    lm.BayesianRidge(),
    lm.HuberRegressor(max_iter=500),
    lm.SGDRegressor(random_state=1),
    LinearSVR(),
]


def name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize("model", CLASSIFIERS, ids=name)
@pytest.mark.parametrize("target", ["two", "three", "numbers"])
def test_linear_classifiers_compile(model: Any, target: str) -> None:
    prove_family(model, target)


@pytest.mark.parametrize("model", REGRESSORS, ids=name)
def test_linear_regressors_compile(model: Any) -> None:
    prove_family(model, "value")


@pytest.mark.parametrize(
    "model", [lm.PoissonRegressor(), lm.GammaRegressor(), lm.TweedieRegressor(power=1.5)], ids=name
)
def test_generalized_linear_regressors_compile(model: Any) -> None:
    prove_family(model, "positive")
