from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features, numbers
from modelserve_control.compile.onnx.graph import Graph
from modelserve_control.compile.onnx.lookup import STOP, Codes, gather_rows, lookup, one_hot_features
from modelserve_control.compile.registry import transforms
from modelserve_control.compile.transformers.probe import EncodedColumn, probe_encoder


@transforms(OneHotEncoder)
def one_hot(graph: Graph, model: Any, features: Features) -> Features:
    widths = model._n_features_outs
    width, start, columns = sum(widths), 0, []
    for found, own in zip(probe_encoder(model, features, widths), widths, strict=True):
        columns.append(positions(found, start, width))
        start += own
    return replace(
        one_hot_features(lookup(graph, features, columns, ordered=False), width), sparse=bool(model.sparse_output)
    )


def positions(found: EncodedColumn, start: int, width: int) -> Codes:
    def position(row: Any) -> int:
        if row is None:
            return STOP
        return start + int(np.argmax(row)) if row.any() else width

    return Codes({category: position(row) for category, row in found.known.items()}, position(found.other))


@transforms(OrdinalEncoder, TargetEncoder)
def encode_values(graph: Graph, model: Any, features: Features) -> Features:
    classes = len(model.classes_) if getattr(model, "target_type_", None) == "multiclass" else 1
    if getattr(model, "dtype", np.float64) not in (np.float64, float, np.int64, int):
        raise refuse(model, "outputs a type other than double")
    rows: list[Any] = []
    columns = [
        Codes({category: add_row(rows, row) for category, row in found.known.items()}, add_row(rows, found.other))
        for found in probe_encoder(model, features, [classes] * len(model.categories_))
    ]
    table = np.array(rows).reshape(-1, classes)
    codes = lookup(graph, features, columns)
    nullable = bool(np.isnan(table).any())
    return numbers(gather_rows(graph, codes, table, len(columns)), classes * len(columns), nullable)


def add_row(rows: list[Any], row: Any) -> int:
    if row is None:
        return STOP
    rows.append(row)
    return len(rows) - 1
