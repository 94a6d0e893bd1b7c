"""The trees of LightGBM: double values, `<=`, sets of categories, and three ways to treat a null."""

from typing import Any, Final

import lightgbm
import numpy as np

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.ensembles import Tree, ensemble
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Graph, Methods
from modelserve_control.compile.onnx.heads import label_by_argmax, pair
from modelserve_control.compile.registry import predicts

IDENTITY: Final = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank")
LOG: Final = ("poisson", "gamma", "tweedie")


def scores(graph: Graph, model: Any, booster: Any, features: Features) -> tuple[str, list[str]]:
    """(rows, outputs) sums of the trees, and the words of the objective."""
    dump = booster.dump_model()
    if booster.pandas_categorical:
        raise refuse(model, "was fitted on columns of pandas categories, which a signature cannot express")
    if dump.get("average_output"):
        raise refuse(model, "averages its trees (boosting=rf)")
    outputs = dump["num_tree_per_iteration"]
    trees = [
        Reader(model).read(tree["tree_structure"], place % outputs) for place, tree in enumerate(dump["tree_info"])
    ]
    return ensemble(graph, features.numbers(graph, nulls=True), trees, outputs), dump.get("objective", "").split()


class Reader:
    def __init__(self, model: Any) -> None:
        self.model = model
        self.rows: list[list[Any]] = []
        self.members: dict[int, list[float]] = {}

    def read(self, root: Any, target: int) -> Tree:
        self._visit(root)
        feature, threshold, left, right, value, nulls = map(np.array, zip(*self.rows, strict=True))
        return Tree(feature, threshold, left, right, value, nulls.astype(bool), members=self.members, target=target)

    def _visit(self, node: Any) -> int:
        place = len(self.rows)
        if "split_index" not in node:
            self.rows.append([0, 0.0, -1, -1, node["leaf_value"], False])
            return place
        self.rows.append([])
        if node["decision_type"] == "==":
            split, self.members[place] = 0.0, list(map(float, str(node["threshold"]).split("||")))
        else:
            split = float(node["threshold"])
        left, right = self._visit(node["left_child"]), self._visit(node["right_child"])
        self.rows[place] = [node["split_feature"], split, left, right, 0.0, self._nulls_left(node)]
        return place

    def _nulls_left(self, node: Any) -> bool:
        """A null counts as 0 if the training data had none (missing_type None); include/LightGBM/tree.h, NumericalDecision."""
        if node["missing_type"] == "Zero":
            raise refuse(self.model, "treats zeros as nulls (zero_as_missing)")
        if node["decision_type"] == "==":
            return False
        return bool(node["default_left"]) if node["missing_type"] == "NaN" else float(node["threshold"]) >= 0.0


@predicts(lightgbm.LGBMRegressor)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    return values(graph, model, *scores(graph, model, model.booster_, features))


@predicts(lightgbm.Booster)
def predict_booster(graph: Graph, model: Any, features: Features) -> Methods:
    score, objective = scores(graph, model, model, features)
    if objective[:1] == ["binary"]:
        return {"predict": graph.flat(graph.op("Sigmoid", graph.op("Mul", score, slope(objective))))}
    if objective[:1] == ["multiclass"]:
        return {"predict": graph.op("Softmax", score, axis=1)}
    return values(graph, model, score, objective)


def values(graph: Graph, model: Any, score: str, objective: list[str]) -> Methods:
    if objective[0] not in (*IDENTITY, *LOG) or "sqrt" in objective:
        raise refuse(model, f"has the objective {' '.join(objective)}")
    return {"predict": graph.flat(graph.op("Exp", score) if objective[0] in LOG else score)}


def slope(objective: list[str]) -> float:
    found = [float(word.partition(":")[2]) for word in objective if word.startswith("sigmoid:")]
    return found[0] if found else 1.0


@predicts(lightgbm.LGBMClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    score, objective = scores(graph, model, model.booster_, features)
    if objective[0] == "binary":
        shares = pair(graph, graph.op("Sigmoid", graph.op("Mul", score, slope(objective))))
    elif objective[0] == "multiclass":
        shares = graph.op("Softmax", score, axis=1)
    else:
        raise refuse(model, f"has the objective {objective[0]}")
    raw = graph.flat(score) if objective[0] == "binary" else score
    return {"predict": label_by_argmax(graph, model, shares), "predict_proba": shares, "decision_function": raw}
