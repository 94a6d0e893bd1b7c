"""AdaBoost with trees, a weighted vote, and both implementations of gradient boosting in scikit-learn."""

from typing import Any

import numpy as np
from sklearn import ensemble as en
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.tree import DecisionTreeClassifier

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.models.trees.forests import accepts_nulls, make_tree, round_to_float32
from modelserve_control.compile.models.trees.histograms import raw_scores
from modelserve_control.compile.onnx import heads
from modelserve_control.compile.onnx.ensembles import ensemble
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
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
    methods = {
        "predict": heads.label_by_mask(graph, model, graph.op("GreaterOrEqual", flat, 0.0)),
        "decision_function": flat,
    }
    return heads.with_log(graph, methods | {"predict_proba": heads.pair(graph, heads.sigmoid(graph, twice))})


def many_classes(graph: Graph, model: Any, score: str) -> Methods:
    methods = {"predict": heads.label_by_argmax(graph, model, score), "decision_function": score}
    return heads.with_log(graph, methods | {"predict_proba": graph.op("Softmax", score, axis=1)})


@predicts(en.HistGradientBoostingRegressor)
def hist_regress(graph: Graph, model: Any, features: Features) -> Methods:
    return heads.value_by_link(graph, model, graph.flat(raw_scores(graph, model, features)), model._loss.link)


@predicts(en.HistGradientBoostingClassifier)
def hist_classify(graph: Graph, model: Any, features: Features) -> Methods:
    score = raw_scores(graph, model, features)
    if len(model.classes_) > 2:
        return many_classes(graph, model, score)
    flat = graph.flat(score)
    return {
        "predict": heads.label_by_sign(graph, model, flat),
        "decision_function": flat,
        "predict_proba": heads.pair(graph, graph.op("Sigmoid", score)),
    }


@predicts(en.AdaBoostClassifier)
def adaboost_classify(graph: Graph, model: Any, features: Features) -> Methods:
    if any(type(one) is not DecisionTreeClassifier for one in model.estimators_):
        raise refuse(model, f"boosts {type(model.estimators_[0]).__name__}, not trees")
    classes = len(heads.class_labels(model))
    x = round_to_float32(graph, features, accepts_nulls(model))
    trees = [
        make_tree(one.tree_, leaf_votes(one, float(weight), classes)[:, place], place)
        for one, weight in zip(model.estimators_, model.estimator_weights_, strict=False)
        for place in range(classes)
    ]
    total = float(np.sum(model.estimator_weights_))
    votes = graph.op("Div", ensemble(graph, x, trees, classes), total)
    return adaboost_methods(graph, model, votes, classes)


def leaf_votes(one: Any, weight: float, classes: int) -> Array:
    """(nodes, classes): the weight for the class of the leaf; for each other class its negative share."""
    chosen = np.argmax(one.tree_.value[:, 0, :], axis=1)
    return np.where(np.eye(classes)[chosen] > 0, weight, -weight / (classes - 1))


def adaboost_methods(graph: Graph, model: Any, votes: str, classes: int) -> Methods:
    if classes == 2:
        score = graph.total(graph.op("Mul", votes, np.array([[-1.0, 1.0]])))
        halves = graph.op("Div", graph.op("Mul", graph.column(score), np.array([[-1.0, 1.0]])), 2.0)
        label = heads.label_by_sign(graph, model, score)
    else:
        score, halves = votes, graph.op("Div", votes, float(classes - 1))
        label = heads.label_by_argmax(graph, model, votes)
    shares = graph.op("Softmax", halves, axis=1)
    return heads.with_log(graph, {"predict": label, "decision_function": score, "predict_proba": shares})
