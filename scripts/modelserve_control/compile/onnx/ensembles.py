"""Trees as one `TreeEnsemble` node (ai.onnx.ml 5) with double thresholds and leaves."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from modelserve_control.compile.onnx.graph import ML, Array, Graph, tensor

# Modes of the standard: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html
AT_MOST: Final = 0
BELOW: Final = 1
MEMBER: Final = 6
SUM: Final = 1
MAX_GROUP_NODES: Final = 12_000  # of about 40 bytes each, which fit into a processor cache


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes in arrays, the root at 0. A leaf has `left` < 0. Other nodes send a row left if `mode` holds for `threshold`."""

    feature: Array
    threshold: Array
    left: Array
    right: Array
    value: Array
    """(nodes,) the values of leaves."""
    nulls_left: Array
    """(nodes,) bool."""
    mode: int = AT_MOST
    members: dict[int, list[float]] = field(default_factory=dict)
    """The categories that go left, by node. These nodes have no threshold."""
    target: int = 0


class Writer:
    def __init__(self, keeps_nulls: bool, dtype: type = np.float64) -> None:
        self.keeps_nulls = keeps_nulls
        self.dtype = dtype
        self.roots: list[int] = []
        self.features: list[int] = []
        self.modes: list[int] = []
        self.splits: list[float] = []
        self.nulls: list[int] = []
        self.sides: dict[str, list[int]] = {"true": [], "false": []}
        self.ends: dict[str, list[int]] = {"true": [], "false": []}
        self.targets: list[int] = []
        self.weights: list[float] = []
        self.members: list[float] = []

    def add(self, tree: Tree) -> None:
        inner = np.flatnonzero(tree.left >= 0)
        leaves = np.flatnonzero(tree.left < 0)
        number = np.zeros(len(tree.left), dtype=int)
        number[inner] = len(self.features) + np.arange(len(inner))
        number[leaves] = len(self.weights) + np.arange(len(leaves))
        self.roots.append(len(self.features))
        for node in inner:
            self._split(tree, int(node), number)
        if not len(inner):
            self._stump(int(number[0]))
        self.weights.extend(map(float, tree.value[leaves]))
        self.targets.extend([tree.target] * len(leaves))

    def _split(self, tree: Tree, node: int, number: Array) -> None:
        members = tree.members.get(node)
        self.features.append(int(tree.feature[node]))
        self.modes.append(tree.mode if members is None else MEMBER)
        self.splits.append(float(tree.threshold[node]) if members is None else 0.0)
        self.nulls.append(int(self.keeps_nulls and members is None and tree.nulls_left[node]))
        self.members.extend([] if members is None else [*members, np.nan])
        for side, child in (("true", tree.left[node]), ("false", tree.right[node])):
            self.sides[side].append(int(number[child]))
            self.ends[side].append(int(tree.left[child] < 0))

    def _stump(self, leaf: int) -> None:
        """A tree with one leaf. ONNX requires an inner node as the root, so both of its sides lead to the leaf."""
        for attribute, value in ((self.features, 0), (self.modes, AT_MOST), (self.nulls, 0)):
            attribute.append(value)
        self.splits.append(0.0)
        for side in ("true", "false"):
            self.sides[side].append(leaf)
            self.ends[side].append(1)

    def attributes(self, targets: int) -> dict[str, Any]:
        made: dict[str, Any] = {
            "n_targets": targets,
            "aggregate_function": SUM,
            "post_transform": 0,
            "tree_roots": self.roots,
            "nodes_featureids": self.features,
            "nodes_modes": tensor(self.modes, np.uint8),
            "nodes_splits": tensor(self.splits, self.dtype),
            "nodes_missing_value_tracks_true": self.nulls,
            "nodes_truenodeids": self.sides["true"],
            "nodes_falsenodeids": self.sides["false"],
            "nodes_trueleafs": self.ends["true"],
            "nodes_falseleafs": self.ends["false"],
            "leaf_targetids": self.targets,
            "leaf_weights": tensor(self.weights, self.dtype),
        }
        return made | ({"membership_values": tensor(self.members, self.dtype)} if self.members else {})


def ensemble(
    graph: Graph, x: str, trees: Iterable[Tree], targets: int = 1, nulls: bool = True, single: bool = False
) -> str:
    """(rows, targets) double: the sum of the trees of each target. Without `nulls` x has no NaN, which is faster.

    ONNX Runtime evaluates every tree for a row before the next row, so groups of trees that fit into the cache are faster.
    `single`: x and the sums are float32, added in the order of the trees.
    """
    writers = [Writer(nulls, np.float32 if single else np.float64)]
    for tree in trees:
        if len(writers[-1].features) > MAX_GROUP_NODES and not single:
            writers.append(Writer(nulls))
        writers[-1].add(tree)
    sums = [graph.op("TreeEnsemble", x, domain=ML, **writer.attributes(targets)) for writer in writers]
    total = sums[0] if len(sums) == 1 else graph.op("Sum", *sums)
    return graph.cast(total, "double") if single else total
