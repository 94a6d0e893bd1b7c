"""From scores to labels and probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.graph import Array, Graph, Methods


def classes_of(model: Any) -> Array:
    """The labels, (classes,): of text, whole numbers, doubles or booleans. Raises CannotCompile."""
    classes = model.classes_
    if isinstance(classes, list) or np.ndim(classes) != 1:
        raise refuse(model, "has several outputs, each with labels of its own")
    labels = np.asarray(classes)
    if labels.dtype.kind in "OU" and all(isinstance(label, str) for label in labels):
        return np.array([str(label) for label in labels], dtype=object)
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if labels.dtype.kind in "fb":
        return labels.astype(np.float64 if labels.dtype.kind == "f" else np.bool_)
    raise refuse(model, "has labels that are neither text nor numbers")


def labelled(graph: Graph, model: Any, index: str) -> str:
    """(rows,) labels of (rows,) places."""
    return graph.op("Gather", classes_of(model), index, axis=0)


def greatest(graph: Graph, model: Any, scores: str) -> str:
    """(rows,) labels: the class with the highest of (rows, classes); of equal ones the first."""
    return labelled(graph, model, graph.op("ArgMax", scores, axis=1, keepdims=0))


def positive(graph: Graph, model: Any, score: str) -> str:
    """(rows,) labels: the second class where (rows,) is above zero."""
    return either(graph, model, graph.op("Greater", score, 0.0))


def either(graph: Graph, model: Any, second: str) -> str:
    """(rows,) labels: the second class where (rows,) bool, else the first."""
    classes = classes_of(model)
    if classes.dtype == np.bool_ or len(classes) == 1:  # Where has no kernel for booleans
        return labelled(graph, model, graph.cast(second, "int64"))
    return graph.op("Where", second, classes[1:], classes[:1])


def sigmoid(graph: Graph, score: str) -> str:
    """1 / (1 + exp(-score)). ONNX Runtime's own loses every digit below 1e-16, which a logarithm shows."""
    return graph.op("Reciprocal", graph.op("Add", graph.op("Exp", graph.op("Neg", score)), 1.0))


def pair(graph: Graph, second: str) -> str:
    """(rows, 2) probabilities from (rows, 1) of the second class."""
    return graph.concat([graph.op("Sub", 1.0, second), second])


def with_log(graph: Graph, methods: Methods) -> Methods:
    return methods | {"predict_log_proba": graph.op("Log", methods["predict_proba"])}


def normalized(graph: Graph, shares: str, classes: int) -> str:
    """Each row divided by its sum; where that is 0, every class has the same share."""
    total = graph.total(shares, keep=True)
    nothing = graph.op("Equal", total, 0.0)
    return graph.op("Where", nothing, 1.0 / classes, graph.op("Div", shares, graph.op("Where", nothing, 1.0, total)))
