"""The splits by which the compiled runtime orders many rows: those of the trees that most rows come by.

Trees read features, and rows are ordered by what the graph is fed. Which column a feature comes from is found by trying: one
column after another gets other values, and the features that change are its own.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper

from modelserve.models.compiled.packing import CODES, NUMBERS, Plan, Split
from modelserve.models.compiled.row_order import BITS
from modelserve.models.compiled.runtime import open_session
from modelserve_control.compile.onnx.ensembles import AT_MOST, BELOW
from modelserve_control.compile.onnx.graph import ML, Array, extract
from modelserve_control.compile.onnx.lookup import LARGEST_CODE

# Fewer nodes take less time than to order their rows.
MIN_NODES: Final = 1_200
# Of more columns the copies take what the order saves.
MAX_COLUMNS: Final = 100
LEVELS: Final = 8  # of each tree, below which half of the rows, a quarter and so on come by a node
TRIED: Final = (0.0, 1e6, 3e6)  # numbers, by which a feature shows whether it is a scaled column, also in float32
FEATURES: Final = "features"

# Of a feature and a threshold.
Weights = Counter[tuple[int, float]]


def find_splits(model: onnx.ModelProto, plan: Plan) -> list[Split]:
    """At most BITS, the most frequent first. None where there are few trees, or none by which it would pay."""
    ensembles = [node for node in model.graph.node if (node.op_type, node.domain) == ("TreeEnsemble", ML)]
    trees = [{one.name: helper.get_attribute_value(one) for one in node.attribute} for node in ensembles]
    columns = sum(column.width for column in (*plan.numbers, *plan.lookups))
    if plan.texts or columns > MAX_COLUMNS or sum(len(one["nodes_modes"].raw_data) for one in trees) < MIN_NODES:
        return []
    tensor = ensembles[0].input[0]
    weights: Weights = Counter()
    for node, attributes in zip(ensembles, trees, strict=True):
        if node.input[0] == tensor:
            add_weights(weights, attributes)
    sources = list(find_sources(model, tensor, plan))
    found = dict.fromkeys(
        split
        for (feature, threshold), _ in weights.most_common()
        for source in sources
        if (split := source.split(feature, threshold))
    )
    return list(found)[:BITS]


def add_weights(weights: Weights, trees: dict[str, Any]) -> None:
    """How many rows come by each split of a feature and a threshold, if each node sends a half to either side."""
    modes = onnx.numpy_helper.to_array(trees["nodes_modes"]).tolist()
    splits = onnx.numpy_helper.to_array(trees["nodes_splits"]).tolist()
    for root in trees["tree_roots"]:
        level = [root]
        for depth in range(LEVELS):
            for node in level:
                if modes[node] in (AT_MOST, BELOW):
                    weights[trees["nodes_featureids"][node], splits[node]] += 1 << LEVELS - depth
            level = [child for node in level for child in children(trees, node)]


def children(trees: dict[str, Any], node: int) -> Iterator[int]:
    for side in ("true", "false"):
        if not trees[f"nodes_{side}leafs"][node]:
            yield trees[f"nodes_{side}nodeids"][node]


class Source:
    """A column of what the graph is fed, and the features that come from it: (tried values, features)."""

    def __init__(self, tensor: str, column: int, values: Sequence[float], features: Array) -> None:
        self.tensor = tensor
        self.column = column
        self.values = values
        self.features = features
        self.own = (features != features[0]).any(axis=0)

    def split(self, feature: int, threshold: float) -> Split | None:
        if not self.own[feature]:
            return None
        found = self.features[:, feature]
        value = unscale(found, threshold) if self.tensor == NUMBERS else self._single_code(found <= threshold)
        return None if value is None else Split(self.tensor, self.column, value)

    def _single_code(self, sides: Array) -> float | None:
        """The code that goes to another side than all others."""
        places = [np.flatnonzero(sides == side) for side in (True, False)]
        single = [int(place[0]) for place in places if len(place) == 1]
        return self.values[max(single)] if single else None


def unscale(found: Array, threshold: float) -> float | None:
    """The number whose feature is the threshold, if features are numbers by a scale and a shift."""
    low, middle, high = found.tolist()
    scale = (middle - low) / TRIED[1]
    if not np.isfinite(scale) or not scale or not np.isclose(high - low, scale * TRIED[2]):
        return None
    value = (threshold - low) / scale
    return float(value) if np.isfinite(value) else None


def find_sources(model: onnx.ModelProto, tensor: str, plan: Plan) -> Iterator[Source]:
    numbers = sum(column.width for column in plan.numbers)
    codes = [sorted({*lookup.codes, lookup.other} - {LARGEST_CODE}) for lookup in plan.lookups]
    tried: list[tuple[str, int, Sequence[float]]] = [(NUMBERS, column, TRIED) for column in range(numbers)]
    tried += [(CODES, column, known) for column, known in enumerate(codes)]
    rows = sum(len(values) for _, _, values in tried)
    feeds: dict[str, Array] = {}
    if numbers:
        feeds[NUMBERS] = np.zeros((rows, numbers))
    if codes:
        feeds[CODES] = np.tile(np.array([known[0] for known in codes], np.int64), (rows, 1))
    start = 0
    for name, column, values in tried:
        feeds[name][start : start + len(values), column] = values
        start += len(values)
    features = compute_features(model, tensor, feeds)
    start = 0
    for name, column, values in tried:
        yield Source(name, column, values, features[start : start + len(values)])
        start += len(values)


def compute_features(model: onnx.ModelProto, tensor: str, feeds: dict[str, Array]) -> Array:
    """(rows, features)."""
    with_features = onnx.ModelProto()
    with_features.CopyFrom(model)
    with_features.graph.node.append(helper.make_node("Identity", [tensor], [FEATURES]))
    before_trees = extract(with_features, [onnx.ValueInfoProto(name=FEATURES)])
    found: Array = open_session(before_trees.SerializeToString()).run([FEATURES], feeds)[0]
    return found
