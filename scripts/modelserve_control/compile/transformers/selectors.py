"""Transformers that choose, combine or rotate columns."""

from itertools import chain
from typing import Any

import numpy as np
from sklearn import feature_selection as fs
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.preprocessing import KBinsDiscretizer, PolynomialFeatures

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features, numbers
from modelserve_control.compile.onnx.graph import Graph
from modelserve_control.compile.onnx.lookup import one_hot_features
from modelserve_control.compile.registry import transforms

SELECTORS = (fs.VarianceThreshold, fs.SelectKBest, fs.SelectPercentile, fs.SelectFpr, fs.SelectFdr, fs.SelectFwe, fs.GenericUnivariateSelect, fs.SelectFromModel, fs.RFE, fs.RFECV, fs.SequentialFeatureSelector)  # fmt: skip


@transforms(*SELECTORS)
def select(graph: Graph, model: Any, features: Features) -> Features:
    return features.select(graph, [int(place) for place in np.flatnonzero(model.get_support())])


@transforms(PCA, IncrementalPCA)
def rotate(graph: Graph, model: Any, features: Features) -> Features:
    x = features.dot(graph, model.components_.T.astype(float))
    x = graph.op("Sub", x, (model.mean_ @ model.components_.T).astype(float)[None])
    if model.whiten:
        floor = np.finfo(model.explained_variance_.dtype).eps
        x = graph.op("Div", x, np.maximum(np.sqrt(model.explained_variance_), floor)[None])
    return numbers(x, len(model.components_))


@transforms(TruncatedSVD)
def decompose(graph: Graph, model: Any, features: Features) -> Features:
    return numbers(features.dot(graph, model.components_.T.astype(float)), len(model.components_))


@transforms(PolynomialFeatures)
def powers(graph: Graph, model: Any, features: Features) -> Features:
    """Each output is a product of as many columns as the degree, padded with a column of ones."""
    x, ones = features.numbers(graph), features.width
    rows = graph.op("Shape", x, start=0, end=1)
    column = graph.op("Expand", np.ones((1, 1)), graph.op("Concat", rows, np.array([1]), axis=0))
    padded = graph.concat([x, column])
    lists = [
        list(chain.from_iterable([place] * int(times) for place, times in enumerate(row))) for row in model.powers_
    ]
    depth = max(map(len, lists))
    places = np.array([row + [ones] * (depth - len(row)) for row in lists])
    product = graph.op("Gather", padded, places[:, 0], axis=1)
    for factor in range(1, depth):
        product = graph.op("Mul", product, graph.op("Gather", padded, places[:, factor], axis=1))
    return numbers(product, len(lists))


@transforms(KBinsDiscretizer)
def discretize(graph: Graph, model: Any, features: Features) -> Features:
    if model.dtype is not None and np.dtype(model.dtype) != np.float64:
        raise refuse(model, "outputs a type other than double")
    inner = [np.asarray(edges[1:-1], dtype=float) for edges in model.bin_edges_]
    edges = np.full((1, len(inner), max(1, *map(len, inner))), np.inf)
    for place, own in enumerate(inner):
        edges[0, place, : len(own)] = own
    x = graph.op("Unsqueeze", features.numbers(graph), np.array([2]))
    reached = graph.cast(graph.op("GreaterOrEqual", x, edges), "int64")
    bins = graph.total(reached, axis=2)
    if model.encode == "ordinal":
        return numbers(graph.cast(bins, "double"), features.width)
    starts = np.cumsum([0, *model.n_bins_])
    return one_hot_features(graph.op("Add", bins, starts[None, :-1]), int(starts[-1]))
