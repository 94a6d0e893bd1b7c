"""The compile function of each estimator class. Subclasses do not count, because they may override anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Graph, Methods

Transform = Callable[[Graph, Any, Features], Features]
Predict = Callable[[Graph, Any, Features], Methods]
TRANSFORMS: Final[dict[type, Transform]] = {}
PREDICTORS: Final[dict[type, Predict]] = {}


def transforms(*kinds: type) -> Callable[[Transform], Transform]:
    def register(write: Transform) -> Transform:
        TRANSFORMS.update(dict.fromkeys(kinds, write))
        return write

    return register


def predicts(*kinds: type) -> Callable[[Predict], Predict]:
    def register(write: Predict) -> Predict:
        PREDICTORS.update(dict.fromkeys(kinds, write))
        return write

    return register


def transform(graph: Graph, model: Any, features: Features) -> Features:
    """The output of a fitted transformer. Raises CannotCompile."""
    if type(model) not in TRANSFORMS:
        raise refuse(model, "has no compiled form")
    return TRANSFORMS[type(model)](graph, model, features)


def predict(graph: Graph, model: Any, features: Features) -> Methods:
    """The tensors of a fitted predictor's methods. Raises CannotCompile."""
    if type(model) not in PREDICTORS:
        raise refuse(model, "has no compiled form")
    expected = getattr(model, "n_features_in_", features.width)
    if features.names is None and expected != features.width:
        raise refuse(model, f"was fitted on {expected} columns but gets {features.width}")
    return PREDICTORS[type(model)](graph, model, features)
