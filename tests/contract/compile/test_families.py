"""The other families: vectors, neighbours, naive Bayes, networks, and estimators that combine others."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn import ensemble as en
from sklearn import naive_bayes as nb
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC, SVR, NuSVC, NuSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from proving import customers, prove, prove_family, targets

PAIR = [("linear", LogisticRegression()), ("bayes", nb.GaussianNB())]
VALUES = [("linear", Ridge()), ("tree", DecisionTreeRegressor(max_depth=4))]
CLASSIFIERS = [
    SVC(),
    SVC(kernel="poly", decision_function_shape="ovo"),
    SVC(kernel="sigmoid", break_ties=True),
    SVC(kernel="linear"),
    NuSVC(nu=0.2),
    nb.GaussianNB(),
    nb.BernoulliNB(),
    make_pipeline(MinMaxScaler(clip=True), nb.MultinomialNB()),
    make_pipeline(MinMaxScaler(), nb.ComplementNB()),
    MLPClassifier((8, 4), max_iter=60, random_state=1),
    MLPClassifier((8,), activation="tanh", max_iter=60, random_state=1),
    DummyClassifier(),
    DummyClassifier(strategy="most_frequent"),
    CalibratedClassifierCV(LogisticRegression(), cv=3),
    CalibratedClassifierCV(DecisionTreeClassifier(max_depth=4), method="isotonic", cv=3),
    en.VotingClassifier(PAIR, voting="soft", weights=[1, 2]),
    en.VotingClassifier(PAIR),
    en.StackingClassifier(PAIR, cv=3, passthrough=True),
    en.BaggingClassifier(DecisionTreeClassifier(max_depth=4), 5, max_features=0.5, random_state=1),
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
]
REGRESSORS = [
    SVR(),
    NuSVR(kernel="poly"),
    MLPRegressor(hidden_layer_sizes=(8,), max_iter=60, random_state=1),
    DummyRegressor(),
    en.VotingRegressor(VALUES),
    en.StackingRegressor(VALUES, cv=3),
    en.BaggingRegressor(Ridge(), 5, random_state=1),
]


def name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize("model", CLASSIFIERS, ids=name)
@pytest.mark.parametrize("target", ["two", "three"])
def test_classifiers_compile(model: Any, target: str) -> None:
    prove_family(model, target, least=1e-9)


@pytest.mark.parametrize("model", REGRESSORS, ids=name)
def test_regressors_compile(model: Any) -> None:
    prove_family(model, "value", least=1e-9)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_neighbours_of_distinct_numbers_compile(weights: str, metric: str) -> None:
    table = customers(nulls=False)[["monthly", "total"]]
    for model, target in ((KNeighborsClassifier(5), "three"), (KNeighborsRegressor(5), "value")):
        prove(model.set_params(weights=weights, metric=metric), table, targets(customers(nulls=False))[target])
