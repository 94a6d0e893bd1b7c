"""Linear models. registry.py says how to add an estimator."""

from typing import Any

import numpy as np
from sklearn import linear_model as lm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import LinearSVC, LinearSVR

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx import heads
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Graph, Methods
from modelserve_control.compile.registry import predicts

REGRESSORS = (lm.LinearRegression, lm.Ridge, lm.RidgeCV, lm.Lasso, lm.LassoCV, lm.LassoLars, lm.LassoLarsCV, lm.LassoLarsIC, lm.Lars, lm.LarsCV, lm.ElasticNet, lm.ElasticNetCV, lm.BayesianRidge, lm.ARDRegression, lm.HuberRegressor, lm.TheilSenRegressor, lm.OrthogonalMatchingPursuit, lm.OrthogonalMatchingPursuitCV, lm.SGDRegressor, lm.PassiveAggressiveRegressor, lm.QuantileRegressor, lm.MultiTaskElasticNet, lm.MultiTaskLasso, LinearSVR)  # fmt: skip
CLASSIFIERS = (lm.Perceptron, lm.PassiveAggressiveClassifier, lm.RidgeClassifier, lm.RidgeClassifierCV, LinearSVC)


def scores(graph: Graph, model: Any, features: Features) -> str:
    """(rows, outputs): features times coefficients plus intercept."""
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=float)).T
    return graph.op("Add", features.dot(graph, weights), np.atleast_1d(np.asarray(model.intercept_, dtype=float)))


@predicts(*REGRESSORS)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    value = scores(graph, model, features)
    # LinearSVR has (1, features) coefficients but a flat output.
    several = np.ndim(model.coef_) == 2 and not isinstance(model, LinearSVR)
    return {"predict": value if several else graph.flat(value)}


@predicts(lm.PoissonRegressor, lm.GammaRegressor, lm.TweedieRegressor)
def with_link(graph: Graph, model: Any, features: Features) -> Methods:
    return heads.value_by_link(graph, model, graph.flat(scores(graph, model, features)), model._base_loss.link)


@predicts(*CLASSIFIERS)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    score = scores(graph, model, features)
    if np.atleast_2d(model.coef_).shape[0] > 1:
        return {"predict": heads.label_by_argmax(graph, model, score), "decision_function": score}
    score = graph.flat(score)
    return {"predict": heads.label_by_sign(graph, model, score), "decision_function": score}


@predicts(lm.LogisticRegression, lm.LogisticRegressionCV)
def logistic(graph: Graph, model: Any, features: Features) -> Methods:
    methods, score = classify(graph, model, features), scores(graph, model, features)
    if len(model.classes_) == 2:
        return heads.with_log(graph, methods | {"predict_proba": heads.pair(graph, heads.sigmoid(graph, score))})
    return heads.with_log(graph, methods | {"predict_proba": graph.op("Softmax", score, axis=1)})


@predicts(LinearDiscriminantAnalysis)
def discriminant(graph: Graph, model: Any, features: Features) -> Methods:
    methods = logistic(graph, model, features)
    shares = methods["predict_proba"]
    # scikit-learn replaces a probability of 0 by the least normal double before it takes the logarithm.
    safe = graph.op("Where", graph.op("Equal", shares, 0.0), float(np.finfo(float).smallest_normal), shares)
    return methods | {"predict_log_proba": graph.op("Log", safe)}


@predicts(lm.SGDClassifier)
def sgd(graph: Graph, model: Any, features: Features) -> Methods:
    methods = classify(graph, model, features)
    if model.loss == "log_loss":
        each, classes = heads.sigmoid(graph, scores(graph, model, features)), len(model.classes_)
        shares = heads.pair(graph, each) if classes == 2 else heads.normalize_rows(graph, each, classes)
        return heads.with_log(graph, methods | {"predict_proba": shares})
    if model.loss == "modified_huber":
        raise refuse(model, "has the loss modified_huber, whose probabilities have no compiled form")
    return methods
