"""Composite transformers: ColumnTransformer, FeatureUnion, Pipeline, FunctionTransformer."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features, numbers
from modelserve_control.compile.onnx.graph import Graph
from modelserve_control.compile.registry import transform, transforms
from modelserve_control.compile.transformers.dicts import makes_dicts


@transforms(ColumnTransformer)
def transform_columns(graph: Graph, model: Any, features: Features) -> Features:
    parts: list[Any] = []
    for name, step, columns in model.transformers_:
        if step == "drop" or len(places := column_places(model, columns, features)) == 0:
            continue
        chosen = features.select(graph, places)
        weight = (model.transformer_weights or {}).get(name)
        made = multiply_by_weight(graph, chosen if step == "passthrough" else transform(graph, step, chosen), weight)
        parts.extend(made.parts)
    return Features(tuple(parts), sparse=bool(model.sparse_output_))


def column_places(model: Any, columns: Any, features: Features) -> list[int]:
    if isinstance(columns, slice):
        columns = np.arange(features.width)[columns] if not isinstance(columns.start or columns.stop, str) else columns
    if isinstance(columns, slice):
        raise refuse(model, "selects columns with a slice of names; list the names instead")
    columns = [columns] if isinstance(columns, (str, int, np.integer)) else list(columns)
    if columns and isinstance(columns[0], (bool, np.bool_)):
        return [place for place, kept in enumerate(columns) if kept]
    fitted = list(getattr(model, "feature_names_in_", ()))
    # A position refers to the columns of the training data; columns of a DataFrame are selected by name.
    wanted = [fitted[column] if not isinstance(column, str) and fitted else column for column in columns]
    if not fitted or features.names is None:
        return [int(column) for column in wanted]
    absent = [name for name in wanted if name not in features.names]
    if absent:
        raise refuse(model, f"needs the column {absent[0]}, which the signature does not have")
    return [features.names.index(name) for name in wanted]


def multiply_by_weight(graph: Graph, features: Features, weight: float | None) -> Features:
    if weight is None:
        return features
    product = graph.op("Mul", features.numbers(graph, nulls=True), float(weight))
    return numbers(product, features.width, features.nullable)


@transforms(FeatureUnion)
def union(graph: Graph, model: Any, features: Features) -> Features:
    parts: list[Any] = []
    sparse = False
    for name, step in model.transformer_list:
        if step != "drop":
            made = features if step == "passthrough" else transform(graph, step, features)
            parts.extend(multiply_by_weight(graph, made, (model.transformer_weights or {}).get(name)).parts)
            sparse = sparse or made.sparse
    return Features(tuple(parts), sparse=sparse)


@transforms(Pipeline)
def transform_steps(graph: Graph, model: Any, features: Features) -> Features:
    return run_steps(graph, [step for _, step in model.steps], features)


def run_steps(graph: Graph, steps: list[Any], features: Features) -> Features:
    while steps:
        if makes_dicts(steps):
            steps = steps[1:]
        if steps[0] not in (None, "passthrough"):
            features = transform(graph, steps[0], features)
        steps = steps[1:]
    return features


@transforms(FunctionTransformer)
def function(graph: Graph, model: Any, features: Features) -> Features:
    if model.func is not None:
        raise refuse(model, "calls a Python function")
    return features
