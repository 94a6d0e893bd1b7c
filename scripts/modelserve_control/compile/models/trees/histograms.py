"""The trees of histogram gradient boosting: double thresholds, a default side for nulls, sets of categories."""

from typing import Any

import numpy as np

from modelserve_control.compile.onnx.ensembles import Tree, ensemble
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph
from modelserve_control.compile.registry import transform


def raw_scores(graph: Graph, model: Any, features: Features) -> str:
    """(rows, outputs): the sum of the baseline and the trees."""
    encoded = preprocess(graph, model, features)
    x = encoded.numbers(graph, nulls=True)
    known, index = model._bin_mapper.make_known_categories_bitsets()
    trees = [make_tree(one, known, index, target) for stage in model._predictors for target, one in enumerate(stage)]
    total = ensemble(graph, x, trees, model.n_trees_per_iteration_, encoded.nullable)
    return graph.op("Add", total, np.asarray(model._baseline_prediction, dtype=float))


def preprocess(graph: Graph, model: Any, features: Features) -> Features:
    """Encode categories as numbers and move them to the front, as the model's own ColumnTransformer does."""
    own = model._preprocessor
    if own is None:
        return features
    places = [int(place) for place in np.arange(model.n_features_in_)[own.transformers_[0][2]]]
    encoded = transform(graph, own.named_transformers_["encoder"], features.select(graph, places))
    rest = [place for place in range(features.width) if place not in places]
    return Features((*encoded.parts, *features.select(graph, rest).parts)) if rest else encoded


def make_tree(predictor: Any, known: Array, index: Array, target: int) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    right = nodes["right"].astype(np.int64)
    members, flipped = {}, []
    for node in np.flatnonzero(~leaf & nodes["is_categorical"].astype(bool)):
        row = nodes[node]
        inside = set_bits(predictor.raw_left_cat_bitsets[row["bitset_idx"]])
        if row["missing_go_to_left"]:
            # Nulls and unknown categories go left, so the members are those that go right.
            inside = set_bits(known[index[row["feature_idx"]]]) - inside
            flipped.append(node)
        members[int(node)] = sorted(map(float, inside))
    left[flipped], right[flipped] = right[flipped], left[flipped].copy()
    nulls = nodes["missing_go_to_left"].astype(bool)
    return Tree(nodes["feature_idx"], nodes["num_threshold"], left, right, nodes["value"], nulls, 0, members, target)


def set_bits(words: Array) -> set[int]:
    return {32 * place + bit for place, word in enumerate(words) for bit in range(32) if int(word) >> bit & 1}
