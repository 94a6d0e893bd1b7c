"""Models with a constant output."""

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import class_labels, with_log
from modelserve_control.compile.registry import predicts


def repeat_row(graph: Graph, features: Features, row: Array) -> str:
    """`row` once per row: () gives (rows,), and (n,) gives (rows, n)."""
    rows = graph.op("Shape", features.parts[0].tensor, start=0, end=1)
    shape = graph.op("Concat", rows, np.array(row.shape, dtype=np.int64), axis=0) if row.ndim else rows
    return graph.op("Expand", row[None], shape)


@predicts(DummyRegressor)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    constant = np.asarray(model.constant_, dtype=float).ravel()
    return {"predict": repeat_row(graph, features, constant if model.n_outputs_ > 1 else np.asarray(constant[0]))}


@predicts(DummyClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    if model.strategy not in ("prior", "most_frequent", "constant"):
        raise refuse(model, f"predicts at random ({model.strategy})")
    labels = class_labels(model)
    place = int(np.argmax(model.class_prior_))
    if model.strategy == "constant":
        place = int(np.flatnonzero(model.classes_ == np.ravel(model.constant)[0])[0])
    shares = model.class_prior_ if model.strategy == "prior" else np.eye(len(labels))[place]
    label = graph.op("Gather", labels, repeat_row(graph, features, np.asarray(place)), axis=0)
    return with_log(graph, {"predict": label, "predict_proba": repeat_row(graph, features, np.asarray(shares, float))})
