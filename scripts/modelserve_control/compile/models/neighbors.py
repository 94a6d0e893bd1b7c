from typing import Any, Final

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import class_labels, label_by_argmax, with_log
from modelserve_control.compile.registry import predicts

# Every row is compared with every stored value, which takes 0.1 to 0.3 ms for this number.
MAX_VALUES: Final = 200_000


def find_nearest(graph: Graph, model: Any, features: Features) -> tuple[str, str]:
    """(rows, k) distances and (rows, k) indices of the neighbours."""
    kept = model._fit_X.toarray() if hasattr(model._fit_X, "toarray") else np.asarray(model._fit_X, dtype=float)
    if kept.size > MAX_VALUES:
        raise refuse(
            model,
            f"stores {kept.size:,} values, and each row must be compared with all of them (at most {MAX_VALUES:,})",
        )
    if model.effective_metric_ not in ("euclidean", "manhattan", "chebyshev"):
        raise refuse(model, f"has the metric {model.effective_metric_}")
    x = graph.op("Unsqueeze", features.numbers(graph), np.array([1]))
    distance = measure(graph, model.effective_metric_, graph.op("Sub", x, kept.astype(float)[None]))
    count = np.array([model.n_neighbors])
    name = graph.op("TopK", distance, count, outputs=2, axis=1, largest=0, sorted=1)
    return name, f"{name}_1"


def measure(graph: Graph, metric: str, apart: str) -> str:
    if metric == "euclidean":
        return graph.op("Sqrt", graph.total(graph.op("Mul", apart, apart), axis=2))
    size = graph.op("Abs", apart)
    return graph.total(size, axis=2) if metric == "manhattan" else graph.op("ReduceMax", size, np.array([2]), keepdims=0)  # fmt: skip


def weights(graph: Graph, model: Any, distances: str) -> str | None:
    """(rows, k, 1): inverse distances; in rows with a distance of 0, 1 for these neighbours and 0 for the others."""
    if model.weights in (None, "uniform"):
        return None
    if model.weights != "distance":
        raise refuse(model, "calls a Python function for its weights")
    here = graph.op("Equal", distances, 0.0)
    ones = graph.cast(here, "double")
    found = graph.op("Greater", graph.op("ReduceMax", ones, np.array([1]), keepdims=1), 0.0)
    return graph.op("Unsqueeze", graph.op("Where", found, ones, graph.op("Reciprocal", distances)), np.array([2]))


def mean(graph: Graph, model: Any, features: Features, values: Array) -> str:
    """(rows, outputs): the weighted mean of the neighbours' rows of `values` (stored rows, outputs)."""
    distances, places = find_nearest(graph, model, features)
    found, weight = graph.op("Gather", values, places, axis=0), weights(graph, model, distances)
    if weight is None:
        return graph.op("ReduceMean", found, np.array([1]), keepdims=0)
    return graph.op("Div", graph.total(graph.op("Mul", found, weight)), graph.total(weight))


@predicts(KNeighborsRegressor)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    known = np.asarray(model._y, dtype=float)
    value = mean(graph, model, features, known.reshape(len(known), -1))
    return {"predict": graph.flat(value) if known.ndim == 1 else value}


@predicts(KNeighborsClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    known = np.eye(len(class_labels(model)))[np.ravel(model._y)]
    shares = mean(graph, model, features, known)
    return with_log(graph, {"predict": label_by_argmax(graph, model, shares), "predict_proba": shares})
