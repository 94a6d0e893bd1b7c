"""AdaBoost with trees: a weighted vote."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import AdaBoostClassifier
from sklearn.tree import DecisionTreeClassifier

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.models.trees.forests import accepts_nulls, make_tree, round_to_float32
from modelserve_control.compile.onnx.ensembles import ensemble
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import class_labels, label_by_argmax, label_by_sign, with_log
from modelserve_control.compile.registry import predicts


@predicts(AdaBoostClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    if any(type(one) is not DecisionTreeClassifier for one in model.estimators_):
        raise refuse(model, f"boosts {type(model.estimators_[0]).__name__}, not trees")
    classes = len(class_labels(model))
    x = round_to_float32(graph, features, accepts_nulls(model))
    trees = [
        make_tree(one.tree_, leaf_votes(one, float(weight), classes)[:, place], place)
        for one, weight in zip(model.estimators_, model.estimator_weights_, strict=False)
        for place in range(classes)
    ]
    total = float(np.sum(model.estimator_weights_))
    votes = graph.op("Div", ensemble(graph, x, trees, classes), total)
    return methods(graph, model, votes, classes)


def leaf_votes(one: Any, weight: float, classes: int) -> Array:
    """(nodes, classes): the weight for the class of the leaf; for each other class its negative share."""
    chosen = np.argmax(one.tree_.value[:, 0, :], axis=1)
    return np.where(np.eye(classes)[chosen] > 0, weight, -weight / (classes - 1))


def methods(graph: Graph, model: Any, votes: str, classes: int) -> Methods:
    if classes == 2:
        score = graph.total(graph.op("Mul", votes, np.array([[-1.0, 1.0]])))
        halves = graph.op("Div", graph.op("Mul", graph.column(score), np.array([[-1.0, 1.0]])), 2.0)
        label = label_by_sign(graph, model, score)
    else:
        score, halves = votes, graph.op("Div", votes, float(classes - 1))
        label = label_by_argmax(graph, model, votes)
    shares = graph.op("Softmax", halves, axis=1)
    return with_log(graph, {"predict": label, "decision_function": score, "predict_proba": shares})
