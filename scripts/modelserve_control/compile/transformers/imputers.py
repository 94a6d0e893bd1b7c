from typing import Any

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer

from modelserve.models.compiled.packing import NULL_TEXT
from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features, Part, join_parts
from modelserve_control.compile.onnx.graph import Graph
from modelserve_control.compile.registry import transforms
from modelserve_control.compile.transformers.probe import is_null


@transforms(SimpleImputer)
def impute(graph: Graph, model: Any, features: Features) -> Features:
    fills = list(model.statistics_)
    kept = [i for i, fill in enumerate(fills) if model.keep_empty_features or not is_null(fill)]
    parts, start = [], 0
    chosen = features.select(graph, kept)
    for part in join_parts(graph, chosen.parts):
        parts.append(fill_part(graph, model, part, [fills[i] for i in kept[start : start + part.width]]))
        start += part.width
    if model.indicator_ is not None:
        parts.extend(indicate(graph, model.indicator_, features).parts)
    return Features(tuple(parts))


def fill_part(graph: Graph, model: Any, part: Part, fills: list[Any]) -> Part:
    if is_null(model.missing_values) and not part.nullable:
        return part
    if part.text != all(isinstance(fill, str) for fill in fills):
        raise refuse(model, "fills a column with a value of another type")
    values = np.array([fills], dtype=object if part.text else np.float64)
    filled = graph.op("Where", missing_mask(graph, model, part), values, part.dense(graph))
    return Part(filled, part.width, part.text, part.nullable and not is_null(model.missing_values))


def missing_mask(graph: Graph, model: Any, part: Part) -> str:
    """(rows, width) bool."""
    if not is_null(model.missing_values):
        wanted = np.array([model.missing_values], dtype=object if part.text else np.float64)
        return graph.op("Equal", part.dense(graph), wanted)
    if part.text:
        return graph.op("Equal", part.tensor, np.array([NULL_TEXT], dtype=object))
    return graph.op("IsNaN", part.dense(graph))


@transforms(MissingIndicator)
def indicate(graph: Graph, model: Any, features: Features) -> Features:
    if model.error_on_new and model.features == "missing-only" and features.nullable:
        others = [i for i in range(features.width) if i not in set(model.features_)]
        if features.select(graph, others).nullable:
            raise refuse(model, "raises for a null in a column that had none when it was fitted (error_on_new)")
    chosen = features.select(graph, [int(i) for i in model.features_])
    parts = join_parts(graph, chosen.parts)
    made = [Part(graph.cast(missing_mask(graph, model, part), "double"), part.width) for part in parts]
    return Features(tuple(made))
