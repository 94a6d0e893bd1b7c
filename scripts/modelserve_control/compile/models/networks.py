from typing import Any, Final

from sklearn.neural_network import MLPClassifier, MLPRegressor

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features, numbers
from modelserve_control.compile.onnx.graph import Graph, Methods
from modelserve_control.compile.onnx.heads import label_by_argmax, label_by_mask, pair, sigmoid, with_log
from modelserve_control.compile.registry import predicts

ACTIVATIONS: Final = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}


def forward(graph: Graph, model: Any, features: Features) -> str:
    """(rows, outputs) before the last activation."""
    last = len(model.coefs_) - 1
    for layer, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        x = graph.op("Add", features.dot(graph, weights.astype(float)), bias.astype(float)[None])
        if layer == last:
            return x
        x = x if model.activation == "identity" else graph.op(ACTIVATIONS[model.activation], x)
        features = numbers(x, weights.shape[1])
    raise refuse(model, "has no layers")


@predicts(MLPRegressor)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    value = forward(graph, model, features)
    if model.out_activation_ not in ("identity",):
        raise refuse(model, f"ends in {model.out_activation_}")
    return {"predict": graph.flat(value) if model.n_outputs_ == 1 else value}


@predicts(MLPClassifier)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    score = forward(graph, model, features)
    if model.out_activation_ == "softmax":
        shares = graph.op("Softmax", score, axis=1)
        return with_log(graph, {"predict": label_by_argmax(graph, model, shares), "predict_proba": shares})
    if model.n_outputs_ > 1:
        raise refuse(model, "has several outputs with separate labels")
    second = sigmoid(graph, score)
    label = label_by_mask(graph, model, graph.op("Greater", graph.flat(second), 0.5))
    return with_log(graph, {"predict": label, "predict_proba": pair(graph, second)})
