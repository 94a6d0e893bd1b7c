"""Estimators that combine other estimators."""

from contextlib import suppress
from typing import Any

import numpy as np
from sklearn import ensemble as en
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features, Part
from modelserve_control.compile.onnx.graph import Graph, Methods
from modelserve_control.compile.onnx.heads import class_labels, label_by_argmax, labels_at, with_log
from modelserve_control.compile.registry import predict, predicts
from modelserve_control.compile.transformers.columns import run_steps


@predicts(Pipeline)
def pipeline(graph: Graph, model: Any, features: Features) -> Methods:
    steps = [step for _, step in model.steps]
    return predict(graph, steps[-1], run_steps(graph, steps[:-1], features))


@predicts(GridSearchCV, RandomizedSearchCV)
def search(graph: Graph, model: Any, features: Features) -> Methods:
    return predict(graph, model.best_estimator_, features)


with suppress(ModuleNotFoundError):  # it is new in scikit-learn 1.6
    from sklearn.frozen import FrozenEstimator

    @predicts(FrozenEstimator)
    def unwrap_frozen(graph: Graph, model: Any, features: Features) -> Methods:
        return predict(graph, model.estimator, features)


def average(graph: Graph, tensors: list[str], weights: Any = None) -> str:
    if weights is None:
        return tensors[0] if len(tensors) == 1 else graph.op("Div", graph.op("Sum", *tensors), float(len(tensors)))
    scaled = [graph.op("Mul", one, float(weight)) for one, weight in zip(tensors, weights, strict=True)]
    return graph.op("Div", graph.op("Sum", *scaled), float(np.sum(weights)))


def votes(graph: Graph, tensors: list[str], classes: int, weights: Any = None) -> str:
    """(rows, classes): the number of (rows,) tensors that contain each class index."""
    rows = [graph.op("Gather", np.eye(classes), one, axis=0) for one in tensors]
    weights = [1.0] * len(rows) if weights is None else weights
    return graph.op("Sum", *(graph.op("Mul", row, float(w)) for row, w in zip(rows, weights, strict=True)))


@predicts(en.VotingClassifier)
def vote(graph: Graph, model: Any, features: Features) -> Methods:
    found = [predict(graph, one, features) for one in model.estimators_]
    weights = model._weights_not_none
    if model.voting == "soft":
        shares = average(graph, [one["predict_proba"] for one in found], weights)
        return {"predict": label_by_argmax(graph, model, shares), "predict_proba": shares}
    # The members were fitted on label indices.
    counted = votes(graph, [one["predict"] for one in found], len(class_labels(model)), weights)
    return {"predict": label_by_argmax(graph, model, counted)}


@predicts(en.VotingRegressor)
def vote_value(graph: Graph, model: Any, features: Features) -> Methods:
    found = [predict(graph, one, features)["predict"] for one in model.estimators_]
    return {"predict": average(graph, found, model._weights_not_none)}


def members(graph: Graph, model: Any, features: Features) -> list[Methods]:
    return [
        predict(graph, one, features.select(graph, [int(place) for place in places]))
        for one, places in zip(model.estimators_, model.estimators_features_, strict=True)
    ]


@predicts(en.BaggingRegressor)
def bag_value(graph: Graph, model: Any, features: Features) -> Methods:
    return {"predict": average(graph, [one["predict"] for one in members(graph, model, features)])}


@predicts(en.BaggingClassifier)
def bag(graph: Graph, model: Any, features: Features) -> Methods:
    found = members(graph, model, features)
    if any("predict_proba" not in one for one in found):
        raise refuse(model, "has members without probabilities")
    shares = average(graph, [one["predict_proba"] for one in found])
    methods = with_log(graph, {"predict": label_by_argmax(graph, model, shares), "predict_proba": shares})
    if all("decision_function" in one for one in found):
        methods["decision_function"] = average(graph, [one["decision_function"] for one in found])
    return methods


def stack_features(graph: Graph, model: Any, features: Features) -> Features:
    parts: list[Part] = []
    for one, method in zip(model.estimators_, model.stack_method_, strict=True):
        parts.append(stack_part(graph, one, method, predict(graph, one, features)[method]))
    return Features((*parts, *features.parts) if model.passthrough else tuple(parts))


def stack_part(graph: Graph, model: Any, method: str, tensor: str) -> Part:
    classes = len(getattr(model, "classes_", ()))
    if method == "predict_proba" and classes == 2:
        return Part(graph.op("Gather", tensor, np.array([1]), axis=1), 1)
    if method == "predict" and classes:
        tensor = graph.cast(tensor, "double")
    flat = method == "predict" or classes == 2
    return Part(graph.column(tensor) if flat else tensor, 1 if flat else classes)


@predicts(en.StackingRegressor)
def stack_value(graph: Graph, model: Any, features: Features) -> Methods:
    return predict(graph, model.final_estimator_, stack_features(graph, model, features))


@predicts(en.StackingClassifier)
def stack(graph: Graph, model: Any, features: Features) -> Methods:
    methods = predict(graph, model.final_estimator_, stack_features(graph, model, features))
    # The final estimator was fitted on label indices.
    return methods | {"predict": labels_at(graph, model, methods["predict"])}
