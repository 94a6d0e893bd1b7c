"""From scores to labels and probabilities."""

from typing import Any

import numpy as np

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.graph import Array, Graph, Methods


def class_labels(model: Any) -> Array:
    """(classes,) labels: texts, integers, doubles or booleans. Raises CannotCompile."""
    classes = model.classes_
    if isinstance(classes, list) or np.ndim(classes) != 1:
        raise refuse(model, "has several outputs with separate labels")
    labels = np.asarray(classes)
    if labels.dtype.kind in "OU" and all(isinstance(label, str) for label in labels):
        return np.array([str(label) for label in labels], dtype=object)
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    if labels.dtype.kind in "fb":
        return labels.astype(np.float64 if labels.dtype.kind == "f" else np.bool_)
    raise refuse(model, "has labels that are neither text nor numbers")


def labels_at(graph: Graph, model: Any, index: str) -> str:
    """(rows,) labels for (rows,) indices."""
    return graph.op("Gather", class_labels(model), index, axis=0)


def label_by_argmax(graph: Graph, model: Any, scores: str) -> str:
    """(rows,) labels: the class with the highest score in (rows, classes), the first of equal ones."""
    return labels_at(graph, model, graph.op("ArgMax", scores, axis=1, keepdims=0))


def label_by_sign(graph: Graph, model: Any, score: str) -> str:
    """(rows,) labels: the second class where the (rows,) score is above zero."""
    return label_by_mask(graph, model, graph.op("Greater", score, 0.0))


def label_by_mask(graph: Graph, model: Any, second: str) -> str:
    """(rows,) labels: the second class where the (rows,) mask is true, else the first."""
    classes = class_labels(model)
    if classes.dtype == np.bool_ or len(classes) == 1:  # Where has no kernel for booleans
        return labels_at(graph, model, graph.cast(second, "int64"))
    return graph.op("Where", second, classes[1:], classes[:1])


def value_by_link(graph: Graph, model: Any, value: str, link: Any) -> Methods:
    kind = type(link).__name__
    if kind not in ("LogLink", "IdentityLink"):
        raise refuse(model, f"has the link {kind}")
    return {"predict": graph.op("Exp", value) if kind == "LogLink" else value}


def sigmoid(graph: Graph, score: str) -> str:
    """1 / (1 + exp(-score)). ONNX Runtime's Sigmoid has no digits below 1e-16, which logarithms would reveal."""
    return graph.op("Reciprocal", graph.op("Add", graph.op("Exp", graph.op("Neg", score)), 1.0))


def pair(graph: Graph, second: str) -> str:
    """(rows, 2) probabilities from the (rows, 1) probabilities of the second class."""
    return graph.concat([graph.op("Sub", 1.0, second), second])


def with_log(graph: Graph, methods: Methods) -> Methods:
    return methods | {"predict_log_proba": graph.op("Log", methods["predict_proba"])}


def normalize_rows(graph: Graph, shares: str, classes: int) -> str:
    """Each row divided by its sum; if the sum is 0, all classes are equally likely."""
    total = graph.total(shares, keep=True)
    nothing = graph.op("Equal", total, 0.0)
    return graph.op("Where", nothing, 1.0 / classes, graph.op("Div", shares, graph.op("Where", nothing, 1.0, total)))
