"""Networks of Keras 3 whose layers work on rows of numbers: Sequential and functional models of one output.

Keras computes in float32. The compiled form computes the same with doubles, from the weights of the layers.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import keras
import numpy as np
from keras import activations, layers
from keras.src.models.functional import Functional  # keras.Model gives its objects, and no public name has it

from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features
from modelserve_control.compile.onnx.graph import Array, Graph, Methods
from modelserve_control.compile.onnx.heads import sigmoid
from modelserve_control.compile.registry import predicts

Tensor = Any  # a KerasTensor, which knows the layer that makes it
# scale and alpha of a self-normalizing network (Klambauer et al., 2017), as in keras/src/backend/jax/nn.py
SELU: Final = (1.0507009873554805, 1.6732632423543772)


@predicts(keras.Sequential, Functional)
def network(graph: Graph, model: Any, features: Features) -> Methods:
    if len(model.outputs) != 1:
        raise refuse(model, f"has {len(model.outputs)} outputs")
    given = {part.tensor: part.tensor for part in features.parts}
    if len(model.inputs) == len(features.parts) == 1:
        given = {model.inputs[0].name: features.parts[0].tensor}
    if missing := [tensor.name for tensor in model.inputs if tensor.name not in given]:
        raise refuse(model, f"has inputs that the signature lacks: {', '.join(missing)}")
    return {"predict": forward(graph, model, [given[tensor.name] for tensor in model.inputs])}


def forward(graph: Graph, model: Any, inputs: list[str]) -> str:
    """(rows, units) of the first output, from one tensor for each input."""
    known = {id(tensor): name for tensor, name in zip(model.inputs, inputs, strict=True)}

    def value(tensor: Tensor) -> str:
        if id(tensor) not in known:
            history = tensor._keras_history
            sources = history.operation._inbound_nodes[history.node_index].input_tensors
            known[id(tensor)] = layer(graph, history.operation, sources, [value(source) for source in sources])
        return known[id(tensor)]

    return value(model.outputs[0])


def layer(graph: Graph, step: Any, sources: list[Tensor], inputs: list[str]) -> str:
    if any(len(tensor.shape) != 2 for tensor in (*sources, *step._inbound_nodes[0].output_tensors)):
        raise refuse(step, "works on more than a row of numbers")
    if isinstance(step, (keras.Sequential, Functional)):
        return forward(graph, step, inputs)
    if type(step) not in LAYERS:
        raise refuse(step, "has no compiled form")
    if step.compute_dtype != "float32":
        raise refuse(step, f"computes in {step.compute_dtype}")
    return LAYERS[type(step)](graph, step, *inputs)


def weights(value: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(value), dtype=float)


def same(_graph: Graph, _step: Any, x: str) -> str:
    return x


def dense(graph: Graph, step: Any, x: str) -> str:
    y = graph.op("MatMul", x, weights(step.kernel))
    y = graph.op("Add", y, weights(step.bias)) if step.use_bias else y
    return activation(graph, step, y)


def activation(graph: Graph, step: Any, x: str) -> str:
    if step.activation not in ACTIVATIONS:
        raise refuse(step, f"has the activation {getattr(step.activation, '__name__', 'of a layer')}")
    return ACTIVATIONS[step.activation](graph, x)


def batch_normalization(graph: Graph, step: Any, x: str) -> str:
    check_last_axis(step, step.axis)
    scale = 1.0 / np.sqrt(weights(step.moving_variance) + step.epsilon)
    scale = scale * weights(step.gamma) if step.scale else scale
    y = graph.op("Mul", graph.op("Sub", x, weights(step.moving_mean)), scale)
    return graph.op("Add", y, weights(step.beta)) if step.center else y


def layer_normalization(graph: Graph, step: Any, x: str) -> str:
    check_last_axis(step, step.axis)
    if getattr(step, "rms_scaling", False):
        raise refuse(step, "has rms_scaling")
    far = graph.op("Sub", x, graph.op("ReduceMean", x, np.array([1])))
    variance = graph.op("ReduceMean", graph.op("Mul", far, far), np.array([1]))
    y = graph.op("Div", far, graph.op("Sqrt", graph.op("Add", variance, float(step.epsilon))))
    y = graph.op("Mul", y, weights(step.gamma)) if step.scale else y
    return graph.op("Add", y, weights(step.beta)) if step.center else y


def normalization(graph: Graph, step: Any, x: str) -> str:
    if step.invert:
        raise refuse(step, "is inverted")
    spread = np.maximum(np.sqrt(weights(step.variance)), keras.config.epsilon())
    return graph.op("Div", graph.op("Sub", x, weights(step.mean)), spread)


def rescaling(graph: Graph, step: Any, x: str) -> str:
    return graph.op("Add", graph.op("Mul", x, weights(step.scale)), weights(step.offset))


def relu_layer(graph: Graph, step: Any, x: str) -> str:
    """As keras.activations.relu with these arguments."""
    limit, slope, threshold = step.max_value, float(step.negative_slope), float(step.threshold)
    below = graph.op("Mul", graph.op("Sub", x, threshold), slope)
    y = graph.op("Where", graph.op("GreaterOrEqual", x, threshold), x, below)
    return y if limit is None else graph.op("Min", y, float(limit))


def softmax_layer(graph: Graph, step: Any, x: str) -> str:
    check_last_axis(step, step.axis)
    return softmax(graph, x)


def concatenate(graph: Graph, step: Any, *inputs: str) -> str:
    check_last_axis(step, step.axis)
    return graph.concat(inputs)


def merge(kind: str, graph: Graph, _step: Any, *inputs: str) -> str:
    total = inputs[0]
    for one in inputs[1:]:
        total = graph.op(kind, total, one)
    return total


def average(graph: Graph, step: Any, *inputs: str) -> str:
    return graph.op("Div", merge("Add", graph, step, *inputs), float(len(inputs)))


def check_last_axis(step: Any, axis: Any) -> None:
    if axis not in (-1, 1, [-1], [1], (-1,), (1,)):
        raise refuse(step, f"works on the axis {axis}")


def softmax(graph: Graph, x: str) -> str:
    return graph.op("Softmax", x, axis=1)


def elu(graph: Graph, x: str, alpha: float = 1.0) -> str:
    below = graph.op("Sub", graph.op("Exp", graph.op("Min", x, 0.0)), 1.0)
    return graph.op("Where", graph.op("Greater", x, 0.0), x, graph.op("Mul", below, alpha))


def selu(graph: Graph, x: str) -> str:
    return graph.op("Mul", elu(graph, x, SELU[1]), SELU[0])


def softplus(graph: Graph, x: str) -> str:
    """log(1 + exp(x)) without an overflow."""
    small = graph.op("Log", graph.op("Add", graph.op("Exp", graph.op("Neg", graph.op("Abs", x))), 1.0))
    return graph.op("Add", graph.op("Max", x, 0.0), small)


def silu(graph: Graph, x: str) -> str:
    return graph.op("Mul", x, sigmoid(graph, x))


def leaky_relu(graph: Graph, x: str, slope: float = 0.2) -> str:
    return graph.op("Where", graph.op("Greater", x, 0.0), x, graph.op("Mul", x, slope))


def gelu(graph: Graph, x: str) -> str:
    """Keras takes the tangent only when asked to. ONNX Runtime knows the error function of a float32 alone."""
    error = graph.cast(graph.op("Erf", graph.cast(graph.op("Mul", x, 0.5**0.5), "float")), "double")
    return graph.op("Mul", graph.op("Mul", x, 0.5), graph.op("Add", error, 1.0))


def softsign(graph: Graph, x: str) -> str:
    return graph.op("Div", x, graph.op("Add", graph.op("Abs", x), 1.0))


def hard_sigmoid(graph: Graph, x: str) -> str:
    line = graph.op("Add", graph.op("Div", x, 6.0), 0.5)
    return graph.op("Min", graph.op("Max", line, 0.0), 1.0)


def operator(kind: str) -> Callable[[Graph, str], str]:
    return lambda graph, x: graph.op(kind, x)


ACTIVATIONS: Final[Mapping[Any, Callable[[Graph, str], str]]] = {
    activations.elu: elu,
    activations.exponential: operator("Exp"),
    activations.gelu: gelu,
    activations.hard_sigmoid: hard_sigmoid,
    activations.leaky_relu: leaky_relu,
    activations.linear: lambda _, x: x,
    activations.relu: operator("Relu"),
    activations.relu6: lambda graph, x: graph.op("Min", graph.op("Relu", x), 6.0),
    activations.selu: selu,
    activations.sigmoid: sigmoid,
    activations.silu: silu,
    activations.softmax: softmax,
    activations.softplus: softplus,
    activations.softsign: softsign,
    activations.tanh: operator("Tanh"),
}
LAYERS: Final[Mapping[type, Callable[..., str]]] = {
    layers.Activation: activation,
    layers.ActivityRegularization: same,
    layers.Add: partial(merge, "Add"),
    layers.AlphaDropout: same,
    layers.Average: average,
    layers.BatchNormalization: batch_normalization,
    layers.Concatenate: concatenate,
    layers.Dense: dense,
    layers.Dropout: same,
    layers.ELU: lambda graph, step, x: elu(graph, x, float(step.alpha)),
    layers.Flatten: same,
    layers.GaussianDropout: same,
    layers.GaussianNoise: same,
    layers.Identity: same,
    layers.LayerNormalization: layer_normalization,
    layers.LeakyReLU: lambda graph, step, x: leaky_relu(graph, x, float(step.negative_slope)),
    layers.Maximum: partial(merge, "Max"),
    layers.Minimum: partial(merge, "Min"),
    layers.Multiply: partial(merge, "Mul"),
    layers.Normalization: normalization,
    layers.ReLU: relu_layer,
    layers.Rescaling: rescaling,
    layers.Softmax: softmax_layer,
    layers.Subtract: partial(merge, "Sub"),
}
