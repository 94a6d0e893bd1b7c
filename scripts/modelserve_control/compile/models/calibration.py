from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.models.combinations import average
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Graph, Methods
from modelserve_control.compile.onnx.heads import label_by_argmax, normalize_rows, pair
from modelserve_control.compile.registry import predict, predicts


@predicts(CalibratedClassifierCV)
def calibrate(graph: Graph, model: Any, features: Features) -> Methods:
    shares = average(graph, [fold(graph, one, features) for one in model.calibrated_classifiers_])
    return {"predict": label_by_argmax(graph, model, shares), "predict_proba": shares}


def fold(graph: Graph, one: Any, features: Features) -> str:
    """(rows, classes) probabilities of the classifier and the calibrators of one fold."""
    methods, classes = predict(graph, one.estimator, features), len(one.classes)
    if "decision_function" in methods and hasattr(one.estimator, "decision_function"):
        scores = methods["decision_function"]
        scores = graph.column(scores) if classes == 2 else scores
    else:
        scores = methods["predict_proba"]
        scores = graph.op("Gather", scores, np.array([1]), axis=1) if classes == 2 else scores
    places = range(len(one.calibrators))
    columns = [scores] if classes == 2 else [graph.op("Gather", scores, np.array([i]), axis=1) for i in places]
    curves = [curve(graph, one, each, column) for each, column in zip(one.calibrators, columns, strict=True)]
    return pair(graph, curves[0]) if classes == 2 else normalize_rows(graph, graph.concat(curves), classes)


def curve(graph: Graph, model: Any, calibrator: Any, score: str) -> str:
    """(rows, 1) probabilities for (rows, 1) scores."""
    if type(calibrator) is _SigmoidCalibration:
        line = graph.op("Add", graph.op("Mul", score, float(calibrator.a_)), float(calibrator.b_))
        return graph.op("Sigmoid", graph.op("Neg", line))
    if type(calibrator) is IsotonicRegression:
        return interpolate(graph, calibrator, score)
    raise refuse(model, f"is calibrated by {type(calibrator).__name__}, which has no compiled form")


def interpolate(graph: Graph, model: IsotonicRegression, score: str) -> str:
    """Linear interpolation between thresholds, as in scipy's interp1d; constant beyond the ends."""
    x, y = np.asarray(model.X_thresholds_, dtype=float), np.asarray(model.y_thresholds_, dtype=float)
    if model.out_of_bounds != "clip":
        raise refuse(model, "does not clip")
    if len(x) == 1:
        return graph.op("Add", graph.op("Mul", score, 0.0), float(y[0]))
    inside = graph.op("Max", graph.op("Min", score, float(x[-1])), float(x[0]))
    below = graph.total(graph.cast(graph.op("Less", x[None], inside), "int64"), keep=True)
    right = graph.op("Max", below, np.array(1))
    slope = (y[1:] - y[:-1]) / (x[1:] - x[:-1])
    left = graph.op("Sub", right, np.array(1))
    start, height, rise = (graph.op("Gather", table, left, axis=0) for table in (x, y, slope))
    return graph.op("Add", graph.op("Mul", rise, graph.op("Sub", inside, start)), height)
