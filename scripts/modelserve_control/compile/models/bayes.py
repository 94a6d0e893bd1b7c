from typing import Any

import numpy as np
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB

from modelserve_control.compile.onnx.features import Features, numbers
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import label_by_argmax
from modelserve_control.compile.registry import predicts


def from_joint(graph: Graph, model: Any, joint: str) -> Methods:
    """`joint` (rows, classes): joint log likelihoods."""
    total = graph.op("ReduceLogSumExp", joint, np.array([1]), keepdims=1)
    logs = graph.op("Sub", joint, total)
    return {
        "predict": label_by_argmax(graph, model, joint),
        "predict_log_proba": logs,
        "predict_proba": graph.op("Exp", logs),
    }


@predicts(GaussianNB)
def gaussian(graph: Graph, model: Any, features: Features) -> Methods:
    x = graph.op("Unsqueeze", features.numbers(graph), np.array([1]))
    apart = graph.op("Sub", x, model.theta_[None])
    squares = graph.op("Div", graph.op("Mul", apart, apart), model.var_[None])
    first = np.log(model.class_prior_) - 0.5 * np.log(2.0 * np.pi * model.var_).sum(axis=1)
    joint = graph.op("Sub", first[None], graph.op("Mul", graph.total(squares, axis=2), 0.5))
    return from_joint(graph, model, joint)


@predicts(MultinomialNB)
def multinomial(graph: Graph, model: Any, features: Features) -> Methods:
    return from_joint(
        graph, model, joint_log_likelihood(graph, features, model.feature_log_prob_, model.class_log_prior_)
    )


@predicts(ComplementNB)
def complement(graph: Graph, model: Any, features: Features) -> Methods:
    prior = model.class_log_prior_ if len(model.classes_) == 1 else np.zeros(len(model.classes_))
    return from_joint(graph, model, joint_log_likelihood(graph, features, model.feature_log_prob_, prior))


@predicts(BernoulliNB)
def bernoulli(graph: Graph, model: Any, features: Features) -> Methods:
    if model.binarize is not None:
        above = graph.op("Greater", features.numbers(graph), float(model.binarize))
        features = numbers(graph.cast(above, "double"), features.width)
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    prior = model.class_log_prior_ + absent.sum(axis=1)
    return from_joint(graph, model, joint_log_likelihood(graph, features, model.feature_log_prob_ - absent, prior))


def joint_log_likelihood(graph: Graph, features: Features, weights: Array, prior: Array) -> str:
    return graph.op("Add", features.dot(graph, weights.T), prior[None])
