"""scikit-learn's own trees and forests. They compare float32 values with double thresholds (sklearn/tree/_tree.pyx)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import ensemble as en
from sklearn import tree as tr

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.ensembles import Tree, ensemble
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import classes_of, greatest, pair, with_log
from modelserve_control.compile.registry import predicts


def rounded(graph: Graph, features: Features, nulls: bool) -> str:
    """(rows, width) double with the values of float32."""
    return graph.cast(graph.cast(features.numbers(graph, nulls), "float"), "double")


def own_tree(grown: Any, value: Array, target: int = 0) -> Tree:
    """`grown` is a fitted `tree_`; `value` (nodes,) is what its leaves add."""
    lost = np.asarray(grown.missing_go_to_left, dtype=bool)
    return Tree(grown.feature, grown.threshold, grown.children_left, grown.children_right, value, lost, target=target)


def grown_of(model: Any) -> list[Any]:
    return [member.tree_ for member in getattr(model, "estimators_", [model])]


def takes_nulls(model: Any) -> bool:
    """Whether it does as scikit-learn decides it: by criterion and splitter, for input that is not sparse."""
    first = getattr(model, "estimators_", [model])[0]
    return bool(first._support_missing_values(np.zeros((1, 1))))


@predicts(tr.DecisionTreeRegressor, tr.ExtraTreeRegressor, en.RandomForestRegressor, en.ExtraTreesRegressor)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    grown = grown_of(model)
    outputs, x = model.n_outputs_, rounded(graph, features, takes_nulls(model))
    trees = [own_tree(one, one.value[:, output, 0], output) for one in grown for output in range(outputs)]
    total = ensemble(graph, x, trees, outputs, features.nullable)
    mean = total if len(grown) == 1 else graph.op("Div", total, float(len(grown)))
    return {"predict": mean if outputs > 1 else graph.flat(mean)}


@predicts(tr.DecisionTreeClassifier, tr.ExtraTreeClassifier, en.RandomForestClassifier, en.ExtraTreesClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    if model.n_outputs_ > 1:
        raise refuse(model, "has several outputs, each with labels of its own")
    x = rounded(graph, features, takes_nulls(model))
    shares = two_classes if len(classes_of(model)) == 2 else many_classes
    probabilities = shares(graph, x, grown_of(model), features.nullable)
    return with_log(graph, {"predict": greatest(graph, model, probabilities), "predict_proba": probabilities})


def two_classes(graph: Graph, x: str, grown: list[Any], nulls: bool) -> str:
    second = ensemble(graph, x, [own_tree(one, one.value[:, 0, 1]) for one in grown], nulls=nulls)
    return pair(graph, second if len(grown) == 1 else graph.op("Div", second, float(len(grown))))


def many_classes(graph: Graph, x: str, grown: list[Any], nulls: bool) -> str:
    """A leaf of the standard adds one number: here its place, and the shares of all leaves are a table."""
    tables, trees, start = [], [], 0
    for target, one in enumerate(grown):
        trees.append(own_tree(one, start + np.arange(one.node_count), target))
        tables.append(one.value[:, 0, :])
        start += one.node_count
    places = graph.cast(ensemble(graph, x, trees, len(grown), nulls), "int64")
    shares = graph.total(graph.op("Gather", np.vstack(tables), places, axis=0))
    return shares if len(grown) == 1 else graph.op("Div", shares, float(len(grown)))
