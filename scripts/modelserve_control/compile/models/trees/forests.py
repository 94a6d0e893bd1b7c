"""Trees and forests of scikit-learn. They compare float32 values with double thresholds (sklearn/tree/_tree.pyx)."""

from typing import Any

import numpy as np
from sklearn import ensemble as en
from sklearn import tree as tr

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.ensembles import Tree, ensemble
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import class_labels, label_by_argmax, pair, with_log
from modelserve_control.compile.registry import predicts


def round_to_float32(graph: Graph, features: Features, nulls: bool) -> str:
    """(rows, width) double, rounded to float32. Zeros and ones are."""
    return graph.concat(
        part.dense(graph) if part.hot else graph.cast(graph.cast(part.tensor, "float"), "double")
        for part in features.numeric(graph, nulls)
    )


def make_tree(grown: Any, value: Array, target: int = 0) -> Tree:
    """`grown` is a fitted `tree_`; `value` (nodes,) has the values of its leaves."""
    lost = np.asarray(grown.missing_go_to_left, dtype=bool)
    return Tree(grown.feature, grown.threshold, grown.children_left, grown.children_right, value, lost, target=target)


def fitted_trees(model: Any) -> list[Any]:
    return [member.tree_ for member in getattr(model, "estimators_", [model])]


def accepts_nulls(model: Any) -> bool:
    """Whether scikit-learn accepts nulls for this criterion and splitter in dense input."""
    first = getattr(model, "estimators_", [model])[0]
    return bool(first._support_missing_values(np.zeros((1, 1))))


@predicts(tr.DecisionTreeRegressor, tr.ExtraTreeRegressor, en.RandomForestRegressor, en.ExtraTreesRegressor)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    grown = fitted_trees(model)
    outputs, x = model.n_outputs_, round_to_float32(graph, features, accepts_nulls(model))
    trees = [make_tree(one, one.value[:, output, 0], output) for one in grown for output in range(outputs)]
    total = ensemble(graph, x, trees, outputs, features.nullable)
    mean = total if len(grown) == 1 else graph.op("Div", total, float(len(grown)))
    return {"predict": mean if outputs > 1 else graph.flat(mean)}


@predicts(tr.DecisionTreeClassifier, tr.ExtraTreeClassifier, en.RandomForestClassifier, en.ExtraTreesClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    if model.n_outputs_ > 1:
        raise refuse(model, "has several outputs with separate labels")
    x = round_to_float32(graph, features, accepts_nulls(model))
    shares = two_classes if len(class_labels(model)) == 2 else many_classes
    probabilities = shares(graph, x, fitted_trees(model), features.nullable)
    return with_log(graph, {"predict": label_by_argmax(graph, model, probabilities), "predict_proba": probabilities})


def two_classes(graph: Graph, x: str, grown: list[Any], nulls: bool) -> str:
    second = ensemble(graph, x, [make_tree(one, one.value[:, 0, 1]) for one in grown], nulls=nulls)
    return pair(graph, second if len(grown) == 1 else graph.op("Div", second, float(len(grown))))


def many_classes(graph: Graph, x: str, grown: list[Any], nulls: bool) -> str:
    """An ONNX leaf has one number: here the index of its row in a table of probabilities."""
    tables, trees, start = [], [], 0
    for target, one in enumerate(grown):
        trees.append(make_tree(one, start + np.arange(one.node_count), target))
        tables.append(one.value[:, 0, :])
        start += one.node_count
    places = graph.cast(ensemble(graph, x, trees, len(grown), nulls), "int64")
    shares = graph.total(graph.op("Gather", np.vstack(tables), places, axis=0))
    return shares if len(grown) == 1 else graph.op("Div", shares, float(len(grown)))
