"""Scalers and other functions of single numbers."""

from typing import Any

import numpy as np
from sklearn import preprocessing as pp

from modelserve_control.compile.onnx.features import Features, numbers
from modelserve_control.compile.onnx.graph import Graph
from modelserve_control.compile.registry import transforms


@transforms(pp.StandardScaler)
def scale_standard(graph: Graph, model: Any, features: Features) -> Features:
    mean = model.mean_ if model.with_mean else None
    return shift_divide(graph, features, mean, model.scale_)


@transforms(pp.RobustScaler)
def scale_robust(graph: Graph, model: Any, features: Features) -> Features:
    center = model.center_ if model.with_centering else None
    return shift_divide(graph, features, center, model.scale_ if model.with_scaling else None)


@transforms(pp.MaxAbsScaler)
def scale_max_abs(graph: Graph, model: Any, features: Features) -> Features:
    return shift_divide(graph, features, None, model.scale_)


def shift_divide(graph: Graph, features: Features, shift: Any, scale: Any) -> Features:
    x = features.numbers(graph, nulls=True)
    if shift is not None:
        x = graph.op("Sub", x, np.asarray(shift, dtype=float)[None, :])
    if scale is not None:
        x = graph.op("Div", x, np.asarray(scale, dtype=float)[None, :])
    return numbers(x, features.width, features.nullable)


@transforms(pp.MinMaxScaler)
def scale_min_max(graph: Graph, model: Any, features: Features) -> Features:
    x = graph.op("Mul", features.numbers(graph, nulls=True), model.scale_[None, :])
    x = graph.op("Add", x, model.min_[None, :])
    if model.clip:
        x = graph.op("Max", graph.op("Min", x, float(model.feature_range[1])), float(model.feature_range[0]))
    return numbers(x, features.width, features.nullable)


@transforms(pp.Normalizer)
def normalize(graph: Graph, model: Any, features: Features) -> Features:
    x = features.numbers(graph)
    kind = {"l1": "ReduceL1", "l2": "ReduceL2", "max": "ReduceMax"}[model.norm]
    length = graph.op(kind, graph.op("Abs", x), np.array([1]), keepdims=1)
    length = graph.op("Where", graph.op("Equal", length, 0.0), 1.0, length)
    return numbers(graph.op("Div", x, length), features.width)


@transforms(pp.Binarizer)
def binarize(graph: Graph, model: Any, features: Features) -> Features:
    above = graph.op("Greater", features.numbers(graph), float(model.threshold))
    return numbers(graph.cast(above, "double"), features.width)


@transforms(pp.PowerTransformer)
def transform_power(graph: Graph, model: Any, features: Features) -> Features:
    x = features.numbers(graph, nulls=True)
    x = yeo_johnson(graph, x, model.lambdas_) if model.method == "yeo-johnson" else box_cox(graph, x, model.lambdas_)
    powered = numbers(x, features.width, features.nullable)
    return scale_standard(graph, model._scaler, powered) if model.standardize else powered


def yeo_johnson(graph: Graph, x: str, powers: Any) -> str:
    up = box_cox(graph, graph.op("Add", graph.op("Max", x, 0.0), 1.0), powers)
    down = box_cox(graph, graph.op("Sub", 1.0, graph.op("Min", x, 0.0)), 2.0 - powers)
    return graph.op("Where", graph.op("Less", x, 0.0), graph.op("Neg", down), up)


def box_cox(graph: Graph, x: str, powers: Any) -> str:
    """(x ** power - 1) / power for each column, and log x if the power is 0."""
    flat = np.abs(powers) < np.finfo(float).eps
    log = graph.op("Log", x)
    if flat.all():
        return log
    safe = np.where(flat, 1.0, powers)[None, :]
    raised = graph.op("Div", graph.op("Sub", graph.op("Pow", x, safe), 1.0), safe)
    return graph.op("Where", flat[None, :], log, raised) if flat.any() else raised
