"""The trees of XGBoost: float32 values, `<`, a default side for nulls, and float32 sums that start with the base score."""

import json
from typing import Any, Final

import numpy as np
import xgboost

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.ensembles import BELOW, Tree, ensemble
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import label_by_argmax, label_by_mask, pair
from modelserve_control.compile.registry import predicts

IDENTITY: Final = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror")
LOG: Final = ("count:poisson", "reg:gamma", "reg:tweedie")


def margins(graph: Graph, model: Any, features: Features) -> tuple[str, str]:
    """(rows, outputs) sums with the base score, and the name of the objective."""
    learner = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    objective, booster = learner["objective"]["name"], learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise refuse(model, f"has the booster {booster['name']}, not gbtree")
    param = learner["learner_model_param"]
    outputs = max(1, int(param["num_class"]), int(param.get("num_target", 1)))
    grown, targets = booster["model"]["trees"], booster["model"]["tree_info"]
    if any(any(tree["split_type"]) for tree in grown) or any(
        int(t["tree_param"]["size_leaf_vector"]) > 1 for t in grown
    ):
        raise refuse(model, "has trees with categories or with vectors as leaves")
    # After early stopping, the model predicts with the best iterations only.
    best, ends = learner.get("attributes", {}).get("best_iteration"), booster["model"]["iteration_indptr"]
    used = ends[-1] if best is None else ends[int(best) + 1]
    first = base_scores(param["base_score"], objective, outputs)
    trees = [
        make_tree(tree, target, first[target] if place < outputs else np.float32(0))
        for place, (tree, target) in enumerate(zip(grown[:used], targets[:used], strict=True))
    ]
    if sorted(tree.target for tree in trees[:outputs]) != list(range(outputs)):
        raise refuse(model, "has trees in an unknown order")
    return ensemble(graph, values(graph, model, features), trees, outputs, single=True), objective


def values(graph: Graph, model: Any, features: Features) -> str:
    """(rows, width) float."""
    if model.missing is not None and not np.isnan(model.missing):
        raise refuse(model, f"treats {model.missing} as null")
    x = graph.cast(features.numbers(graph, nulls=True), "float")
    zero, null = np.float32(0), np.float32(np.nan)
    return graph.op("Where", graph.op("Equal", x, np.array(zero)), np.array(null), x) if features.sparse else x


def make_tree(tree: Any, target: int, start: Any) -> Tree:
    """`start` is added to the leaves, because the base score is the first term of the sum."""
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    nulls = np.asarray(tree["default_left"], dtype=bool)
    return Tree(
        np.array(tree["split_indices"]), conditions, left, right, conditions + start, nulls, BELOW, target=target
    )


def base_scores(text: str, objective: str, outputs: int) -> Array:
    """(outputs,) float32, before the link of the objective."""
    score = np.atleast_1d(np.asarray(json.loads(text) if text.startswith("[") else float(text), dtype=np.float32))
    if objective in ("binary:logistic", "reg:logistic"):
        score = -np.log(np.float32(1.0) / score - np.float32(1.0))
    return np.broadcast_to(np.log(score) if objective in LOG else score, (outputs,))


@predicts(xgboost.XGBRegressor, xgboost.XGBRFRegressor)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    score, objective = margins(graph, model, features)
    if objective == "reg:logistic":
        score = graph.op("Sigmoid", score)
    elif objective in LOG:
        score = graph.op("Exp", score)
    elif objective not in IDENTITY:
        raise refuse(model, f"has the objective {objective}")
    return {"predict": graph.flat(score)}


@predicts(xgboost.XGBClassifier, xgboost.XGBRFClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    score, objective = margins(graph, model, features)
    if objective == "binary:logistic":
        second = graph.op("Sigmoid", score)
        label = label_by_mask(graph, model, graph.op("Greater", graph.flat(second), 0.5))
        return {"predict": label, "predict_proba": pair(graph, second)}
    if objective != "multi:softprob":
        raise refuse(model, f"has the objective {objective}")
    shares = graph.op("Softmax", score, axis=1)
    return {"predict": label_by_argmax(graph, model, shares), "predict_proba": shares}
