"""The compile function of each estimator class. Subclasses do not count, because they may override anything.

To add an estimator, decorate a function in the module of its family in `models/` or `transformers/`, name a new module in
`compiler.ESTIMATOR_MODULES`, and add its row to docs/estimators.md.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Graph, Methods

Transform = Callable[[Graph, Any, Features], Features]
Predict = Callable[[Graph, Any, Features], Methods]
Write = TypeVar("Write")
TRANSFORMS: Final[dict[type, Transform]] = {}
PREDICTORS: Final[dict[type, Predict]] = {}


def register(table: dict[type, Write], kinds: tuple[type, ...], write: Write) -> Write:
    table.update(dict.fromkeys(kinds, write))
    return write


def transforms(*kinds: type) -> Callable[[Transform], Transform]:
    return partial(register, TRANSFORMS, kinds)


def predicts(*kinds: type) -> Callable[[Predict], Predict]:
    return partial(register, PREDICTORS, kinds)


def transform(graph: Graph, model: Any, features: Features) -> Features:
    if type(model) not in TRANSFORMS:
        raise refuse(model, "has no compiled form")
    return TRANSFORMS[type(model)](graph, model, features)


def predict(graph: Graph, model: Any, features: Features) -> Methods:
    if type(model) not in PREDICTORS:
        raise refuse(model, "has no compiled form")
    expected = getattr(model, "n_features_in_", features.width)
    if features.names is None and expected != features.width:
        raise refuse(model, f"was fitted on {expected} columns but gets {features.width}")
    return PREDICTORS[type(model)](graph, model, features)
