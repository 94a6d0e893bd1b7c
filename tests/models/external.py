"""ONNX models that keep a tensor in another file, in every place where a tensor can stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    StringStringEntryProto,
    TensorProto,
    TrainingInfoProto,
)
from onnx import helper as make

CANARY: Final = "canary"
SECRET: Final = 4242.0
VALUES: Final = 64  # of few ONNX Runtime takes notice, and misses the directory of a model without one
CONTENT: Final = np.full(VALUES, SECRET, np.float32).tobytes() + np.arange(VALUES).tobytes()


def outside(name: str = "t", kind: int = TensorProto.FLOAT) -> TensorProto:
    """Values that are in the file CANARY: floats, and behind them whole numbers."""
    offset, size = (0, 4) if kind == TensorProto.FLOAT else (4 * VALUES, 8)
    entries = {"location": CANARY, "offset": str(offset), "length": str(size * VALUES)}
    tensor = TensorProto(name=name, data_type=kind, dims=[VALUES], data_location=TensorProto.EXTERNAL)
    tensor.external_data.extend(StringStringEntryProto(key=key, value=value) for key, value in entries.items())
    return tensor


def inside(name: str = "t", kind: int = TensorProto.FLOAT) -> TensorProto:
    return make.make_tensor(name, kind, [VALUES], range(VALUES))


def sparse(values: TensorProto, indices: TensorProto) -> SparseTensorProto:
    return SparseTensorProto(values=values, indices=indices, dims=[VALUES])


def constant(attribute: AttributeProto) -> NodeProto:
    node = NodeProto(op_type="Constant", output=["t"])
    node.attribute.append(attribute)
    return node


def graph(*nodes: NodeProto, name: str = "main", inputs: bool = True) -> GraphProto:
    """`y`, and `x` where there are inputs."""
    x, y = (make.make_tensor_value_info(side, TensorProto.FLOAT, [VALUES]) for side in "xy")
    return make.make_graph(list(nodes), name, [x] if inputs else [], [y])


def model(main: GraphProto) -> ModelProto:
    return make.make_model(main, opset_imports=[make.make_opsetid("", 19)], ir_version=10)


ADD: Final = make.make_node("Add", ["x", "t"], ["y"])
COPY: Final = make.make_node("Identity", ["t"], ["y"])


def initializer() -> ModelProto:
    main = graph(ADD)
    main.initializer.append(outside())
    return model(main)


def sparse_initializer(part: str) -> ModelProto:
    main = graph(ADD)
    main.sparse_initializer.append(sparse_with(part))
    return model(main)


def sparse_with(part: str) -> SparseTensorProto:
    if part == "values":
        return sparse(outside(), inside("i", TensorProto.INT64))
    return sparse(inside(), outside("i", TensorProto.INT64))


def constant_value() -> ModelProto:
    return model(graph(constant(make.make_attribute("value", outside())), ADD))


def constant_sparse() -> ModelProto:
    return model(graph(constant(make.make_attribute("sparse_value", sparse_with("values"))), ADD))


def lists(kind: str) -> ModelProto:
    """No operator takes such a list, but a file may hold it."""
    attribute = AttributeProto(name="extra", type=AttributeProto.TENSORS)
    if kind == "tensors":
        attribute.tensors.append(outside())
    elif kind == "sparse_tensors":
        attribute.sparse_tensors.append(sparse_with("values"))
    else:
        attribute.graphs.append(initializer().graph)
    copy = make.make_node("Identity", ["x"], ["y"])
    copy.attribute.append(attribute)
    return model(graph(copy))


def if_branch() -> ModelProto:
    branches = []
    for name in ("then", "else"):
        branch = graph(COPY, name=name, inputs=False)
        branch.initializer.append(outside())
        branches.append(branch)
    choice = make.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])
    main = graph(choice)
    main.initializer.append(make.make_tensor("c", TensorProto.BOOL, [], [True]))
    return model(main)


def loop_body() -> ModelProto:
    """Whose body has a constant with the value, two levels down."""
    number, go = (
        make.make_tensor_value_info(n, kind, []) for n, kind in (("n", TensorProto.INT64), ("c", TensorProto.BOOL))
    )
    state, after = (make.make_tensor_value_info(n, TensorProto.FLOAT, [VALUES]) for n in ("s", "r"))
    on = make.make_tensor_value_info("d", TensorProto.BOOL, [])
    nodes = [
        constant(make.make_attribute("value", outside())),
        make.make_node("Add", ["s", "t"], ["r"]),
        make.make_node("Identity", ["c"], ["d"]),
    ]
    body = make.make_graph(nodes, "body", [number, go, state], [on, after])
    main = graph(make.make_node("Loop", ["m", "k", "x"], ["y"], body=body))
    main.initializer.extend(
        [make.make_tensor("m", TensorProto.INT64, [], [1]), make.make_tensor("k", TensorProto.BOOL, [], [True])]
    )
    return model(main)


def function(nodes: list[NodeProto], defaults: list[AttributeProto] | None = None) -> ModelProto:
    imports = [make.make_opsetid("", 19)]
    local = FunctionProto(name="Ours", domain="own", input=["x"], output=["y"], opset_import=imports)
    local.node.extend(nodes)
    local.attribute_proto.extend(defaults or [])
    found = make.make_model(
        graph(make.make_node("Ours", ["x"], ["y"], domain="own")),
        opset_imports=[*imports, make.make_opsetid("own", 1)],
        ir_version=10,
    )
    found.functions.append(local)
    return found


def function_body() -> ModelProto:
    return function([constant(make.make_attribute("value", outside())), ADD])


def function_default() -> ModelProto:
    """The value is what an attribute of the function is when a call gives none."""
    taken = AttributeProto(name="value", type=AttributeProto.TENSOR, ref_attr_name="given")
    return function([constant(taken), ADD], [make.make_attribute("given", outside())])


def training(part: str) -> ModelProto:
    found = model(graph(make.make_node("Identity", ["x"], ["y"])))
    info = TrainingInfoProto()
    getattr(info, part).CopyFrom(initializer().graph)
    found.training_info.append(info)
    return found


PLACES: Final[dict[str, Callable[[], ModelProto]]] = {
    "initializer": initializer,
    "sparse initializer": lambda: sparse_initializer("values"),
    "indices of a sparse initializer": lambda: sparse_initializer("indices"),
    "attribute": constant_value,
    "sparse attribute": constant_sparse,
    "list of tensors": lambda: lists("tensors"),
    "list of sparse tensors": lambda: lists("sparse_tensors"),
    "list of graphs": lambda: lists("graphs"),
    "branch of an If": if_branch,
    "body of a Loop": loop_body,
    "body of a function": function_body,
    "default of a function": function_default,
    "initialization of a training": lambda: training("initialization"),
    "algorithm of a training": lambda: training("algorithm"),
}
