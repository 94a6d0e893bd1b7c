"""Both implementations of gradient boosting in scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import ensemble as en
from sklearn.dummy import DummyClassifier, DummyRegressor

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.models.trees.forests import make_tree, round_to_float32
from modelserve_control.compile.models.trees.histograms import raw_scores
from modelserve_control.compile.onnx.ensembles import ensemble
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Graph, Methods
from modelserve_control.compile.onnx.heads import (
    label_by_argmax,
    label_by_mask,
    label_by_sign,
    pair,
    sigmoid,
    value_by_link,
    with_log,
)
from modelserve_control.compile.registry import predicts


def sum_stages(graph: Graph, model: Any, features: Features) -> str:
    """(rows, outputs): the sum of the initial prediction and the trees."""
    if not isinstance(model.init_, str) and type(model.init_) not in (DummyClassifier, DummyRegressor):
        raise refuse(model, f"starts from {type(model.init_).__name__}, which is not constant")
    trees = [
        make_tree(one.tree_, one.tree_.value[:, 0, 0] * model.learning_rate, target)
        for stage in model.estimators_
        for target, one in enumerate(stage)
    ]
    total = ensemble(
        graph, round_to_float32(graph, features, nulls=False), trees, model.estimators_.shape[1], nulls=False
    )
    first = model._raw_predict_init(np.zeros((1, model.n_features_in_)))
    return graph.op("Add", total, np.asarray(first, dtype=float))


@predicts(en.GradientBoostingRegressor)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    return {"predict": graph.flat(sum_stages(graph, model, features))}


@predicts(en.GradientBoostingClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    score = sum_stages(graph, model, features)
    if len(model.classes_) > 2:
        return many_classes(graph, model, score)
    twice = graph.op("Mul", score, 2.0) if model.loss == "exponential" else score
    flat = graph.flat(score)
    methods = {"predict": label_by_mask(graph, model, graph.op("GreaterOrEqual", flat, 0.0)), "decision_function": flat}
    return with_log(graph, methods | {"predict_proba": pair(graph, sigmoid(graph, twice))})


def many_classes(graph: Graph, model: Any, score: str) -> Methods:
    methods = {"predict": label_by_argmax(graph, model, score), "decision_function": score}
    return with_log(graph, methods | {"predict_proba": graph.op("Softmax", score, axis=1)})


@predicts(en.HistGradientBoostingRegressor)
def hist_regress(graph: Graph, model: Any, features: Features) -> Methods:
    return value_by_link(graph, model, graph.flat(raw_scores(graph, model, features)), model._loss.link)


@predicts(en.HistGradientBoostingClassifier)
def hist_classify(graph: Graph, model: Any, features: Features) -> Methods:
    score = raw_scores(graph, model, features)
    if len(model.classes_) > 2:
        return many_classes(graph, model, score)
    flat = graph.flat(score)
    return {
        "predict": label_by_sign(graph, model, flat),
        "decision_function": flat,
        "predict_proba": pair(graph, graph.op("Sigmoid", score)),
    }
