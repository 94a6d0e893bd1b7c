"""Support vector machines with kernels. One product with the kernel values replaces the sums of libsvm."""

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import label_by_argmax, label_by_sign
from modelserve_control.compile.registry import predicts


def kernel(graph: Graph, model: Any, features: Features) -> str:
    """(rows, support vectors)."""
    vectors = np.asarray(model.support_vectors_.todense() if model._sparse else model.support_vectors_, dtype=float)
    products = features.dot(graph, np.ascontiguousarray(vectors.T))
    if model.kernel == "linear":
        return products
    if model.kernel == "rbf":
        return rbf_kernel(graph, features, products, vectors, float(model._gamma))
    scaled = graph.op("Add", graph.op("Mul", products, float(model._gamma)), float(model.coef0))
    if model.kernel == "poly":
        return graph.op("Pow", scaled, float(model.degree))
    if model.kernel == "sigmoid":
        return graph.op("Tanh", scaled)
    raise refuse(model, "has a kernel that is a Python function or a matrix")


def rbf_kernel(graph: Graph, features: Features, products: str, vectors: Array, gamma: float) -> str:
    """exp(-gamma * squared distance), with the binomial formula for the distance."""
    x = features.numbers(graph)
    own = graph.total(graph.op("Mul", x, x), keep=True)
    apart = graph.op("Sub", graph.op("Add", own, (vectors**2).sum(axis=1)[None]), graph.op("Mul", products, 2.0))
    return graph.op("Exp", graph.op("Mul", graph.op("Max", apart, 0.0), -gamma))


@predicts(SVR, NuSVR)
def regress(graph: Graph, model: Any, features: Features) -> Methods:
    product = graph.op("MatMul", kernel(graph, model, features), to_dense(model.dual_coef_).T.copy())
    return {"predict": graph.flat(graph.op("Add", product, model.intercept_))}


def to_dense(matrix: Any) -> Array:
    return np.asarray(matrix.todense() if hasattr(matrix, "todense") else matrix, dtype=float)


@predicts(SVC, NuSVC)
def classify(graph: Graph, model: Any, features: Features) -> Methods:
    if hasattr(model, "predict_proba"):
        raise refuse(model, "has probabilities that libsvm computes iteratively; use CalibratedClassifierCV")
    duels = graph.op(
        "Add", graph.op("MatMul", kernel(graph, model, features), pairwise_weights(model)), model._intercept_
    )
    if len(model.classes_) == 2:
        # The positive class of libsvm is the first class, that of scikit-learn the second.
        score = graph.flat(graph.op("Neg", duels))
        return {"predict": label_by_sign(graph, model, score), "decision_function": score}
    votes, sums = tally(graph, model, duels)
    # sklearn/utils/multiclass.py, _ovr_decision_function: votes plus confidences scaled to less than half a vote.
    squeezed = graph.op("Div", sums, graph.op("Mul", graph.op("Add", graph.op("Abs", sums), 1.0), 3.0))
    score = graph.op("Add", votes, squeezed)
    label = label_by_argmax(
        graph, model, score if model.break_ties and model.decision_function_shape == "ovr" else votes
    )
    return {"predict": label, "decision_function": duels if model.decision_function_shape == "ovo" else score}


def pairwise_weights(model: Any) -> Array:
    """(support vectors, pairs of classes): zero except for the vectors of the two classes."""
    ends = np.cumsum([0, *model._n_support])
    coefficients, columns = to_dense(model._dual_coef_), []
    for first, second in combinations(range(len(model.classes_)), 2):
        column = np.zeros(coefficients.shape[1])
        for one, row in ((first, second - 1), (second, first)):
            mine = slice(ends[one], ends[one + 1])
            column[mine] = coefficients[row, mine]
        columns.append(column)
    return np.array(columns).T.copy()


def tally(graph: Graph, model: Any, duels: str) -> tuple[str, str]:
    """(rows, classes) each: the number of pairs that the class wins, and the sum of its confidences."""
    pairs = list(combinations(range(len(model.classes_)), 2))
    first, second = (np.zeros((len(pairs), len(model.classes_))) for _ in range(2))
    for place, (one, other) in enumerate(pairs):
        first[place, one], second[place, other] = 1.0, 1.0
    lost = graph.cast(graph.op("Less", duels, 0.0), "double")
    won = graph.op("Sub", 1.0, lost)
    votes = graph.op("Add", graph.op("MatMul", won, first), graph.op("MatMul", lost, second))
    return votes, graph.op("MatMul", duels, first - second)
