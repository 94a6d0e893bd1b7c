"""A builder of ONNX graphs that shares equal nodes and drops unused ones."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# TreeEnsemble with double splits needs version 5 of the machine learning operators.
OPSETS: Final = {"": 21, "ai.onnx.ml": 5, "com.microsoft": 1}
IR_VERSION: Final = 10
ML: Final = "ai.onnx.ml"

Array = NDArray[Any]
Value = str | Array | float | int
TYPES: Final = {"double": TensorProto.DOUBLE, "string": TensorProto.STRING, "int64": TensorProto.INT64, "bool": TensorProto.BOOL, "float": TensorProto.FLOAT}  # fmt: skip


Methods = dict[str, str]
"""Method to tensor: predict (rows,) or (rows, outputs), predict_proba (rows, classes), ..."""


class Graph:
    """`op` returns the name of its output tensor. Inputs are names or constants."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._shared: dict[Any, str] = {}
        self._published: dict[str, str] = {}
        self.lowered: set[str] = set()
        """Inputs that need lower case text. No operator converts text as Python does (U+0130, a final sigma)."""

    def op(self, kind: str, *inputs: Value, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        """The names of further outputs are the first name with the suffixes _1, _2 and so on."""
        names = tuple(map(self.name, inputs))
        are_scalars = all(isinstance(value, (int, float, str, onnx.TensorProto)) for value in attributes.values())
        key = (kind, domain, names, repr(sorted(attributes.items())) if are_scalars else len(self.nodes))
        if key not in self._shared:
            first = self._shared[key] = f"{self.prefix}{kind.lower()}_{len(self.nodes)}"
            made = [first, *(f"{first}_{place}" for place in range(1, outputs))]
            self.nodes.append(helper.make_node(kind, names, made, domain=domain, **attributes))
        return self._shared[key]

    def name(self, value: Value) -> str:
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        key = (
            "constant",
            array.dtype.str,
            array.shape,
            array.tobytes() if array.dtype != object else repr(array.tolist()),
        )
        if key not in self._shared:
            name = f"{self.prefix}constant_{len(self.constants)}"
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            self._shared[key] = name
        return self._shared[key]

    def cast(self, value: Value, kind: str) -> str:
        return self.op("Cast", value, to=TYPES[kind])

    def column(self, value: Value) -> str:
        """(rows,) as (rows, 1)."""
        return self.op("Reshape", value, np.array([-1, 1]))

    def flat(self, value: Value) -> str:
        """(rows, 1) as (rows,)."""
        return self.op("Reshape", value, np.array([-1]))

    def concat(self, values: Iterable[str]) -> str:
        names = list(values)
        return names[0] if len(names) == 1 else self.op("Concat", *names, axis=1)

    def total(self, value: Value, axis: int = 1, keep: bool = False) -> str:
        return self.op("ReduceSum", value, np.array([axis]), keepdims=int(keep))

    def ones_at(self, places: str, width: int, **attributes: Any) -> str:
        """(rows, width) double with ones at `places` (rows, k); the place `width` is dropped."""
        rows = self.op("Shape", places, start=0, end=1)
        zeros = self.op("ConstantOfShape", self.op("Concat", rows, np.array([width + 1]), axis=0), value=tensor([0.0]))
        ones = self.op("ConstantOfShape", self.op("Shape", places), value=tensor([1.0]))
        spread = self.op("ScatterElements", zeros, places, ones, axis=1, **attributes)
        return self.op("Slice", spread, np.array([0]), np.array([width]), np.array([1]))

    def stop_where(self, bad: str, value: str) -> str:
        """`value`, but scoring fails if any of `bad` (bool, of the same shape) is true.

        An index out of range makes ONNX Runtime fail. scikit-learn raises ValueError in this case.
        """
        return self.op("Add", value, self.op("Gather", np.zeros(1), self.cast(bad, "int64"), axis=0))

    def model(self, inputs: Iterable[onnx.ValueInfoProto], outputs: Mapping[str, tuple[str, str]]) -> onnx.ModelProto:
        for name, (tensor, _) in outputs.items():
            self._name_output(tensor, name)
        infos = [helper.make_tensor_value_info(name, TYPES[kind], None) for name, (_, kind) in outputs.items()]
        nodes, used = needed_nodes(self.nodes, outputs)
        constants = [tensor for name, tensor in self.constants.items() if name in used]
        graph = helper.make_graph(nodes, "model", list(inputs), infos, constants)
        domains = {"", *(node.domain for node in nodes)}
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items() if domain in domains]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="modelserve")

    def _name_output(self, tensor: str, name: str) -> None:
        made = next((node for node in self.nodes if tensor in node.output), None)
        if made is None or tensor in self._published:
            self.nodes.append(helper.make_node("Identity", [self._published.get(tensor, tensor)], [name]))
            return
        self._published[tensor] = name
        made.output[:] = [name if one == tensor else one for one in made.output]
        for node in self.nodes:
            node.input[:] = [name if used == tensor else used for used in node.input]


def extract(model: onnx.ModelProto, outputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
    """The part of a model that these outputs need."""
    whole = model.graph
    nodes, used = needed_nodes(whole.node, [output.name for output in outputs])
    constants = [tensor for tensor in whole.initializer if tensor.name in used]
    graph = helper.make_graph(nodes, whole.name, whole.input, outputs, constants)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def needed_nodes(nodes: Sequence[onnx.NodeProto], wanted: Iterable[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    used, kept = set(wanted), []
    for node in reversed(nodes):
        if used & set(node.output):
            used |= set(node.input)
            kept.append(node)
    return kept[::-1], used


def tensor(values: Any, dtype: Any = np.float64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), "")
