"""The graph that is served: as the compiled one, but with all numbers in one tensor and categories already as codes.

Nodes that only gather columns or look up texts leave the graph; `modelserve.runtimes.packing` does their work in less
time than it takes to hand a text over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from modelserve.runtimes.compiled import PLAN
from modelserve.runtimes.packing import CODES, NUMBERS, Input, Plan
from modelserve_control.compile.graph import TYPES, Graph

TEXT = "text_{}"


def pack(model: onnx.ModelProto, inputs: Sequence[Input], kinds: dict[str, str]) -> onnx.ModelProto:
    """`kinds`: the type of each output. The plan is in the packed model's metadata."""
    return Packer(model, inputs).packed(kinds)


class Packer:
    def __init__(self, model: onnx.ModelProto, inputs: Sequence[Input]) -> None:
        self.nodes = list(model.graph.node)
        self.columns = {column.name: column for column in inputs}
        self.made = {node.output[0]: node for node in self.nodes}
        self.graph = Graph(prefix="packed_")
        self.graph.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.lookups = [node for node in self.nodes if self._looks_up(node)]
        self.keys = tuple(dict.fromkeys(chain.from_iterable(map(keys_of, self.lookups))))
        self.coded = self._order(chain.from_iterable(self._sources(node.input[0]) or [] for node in self.lookups))
        self.numbers = self._order(self._used("double"))
        self.texts: dict[str, str] = {}

    def packed(self, kinds: dict[str, str]) -> onnx.ModelProto:
        for node in self.nodes:
            if node in self.lookups:
                self._add(self._coded(node))
            elif (sources := self._sources(node.output[0])) and self._is_numeric(sources):
                self._add(helper.make_node("Identity", [self._gathered(NUMBERS, self.numbers, sources)], node.output))
            else:
                self._add(self._fed(node))
        texts = {tensor: self.columns[name] for name, tensor in self.texts.items()}
        made = self.graph.model(self._infos(), {name: (name, kind) for name, kind in kinds.items()})
        plan = Plan(tuple(map(self.columns.__getitem__, self.numbers)), tuple(map(self.columns.__getitem__, self.coded)), self.keys, texts)  # fmt: skip
        helper.set_model_props(made, {PLAN: plan.encode()})
        return made

    def _add(self, node: onnx.NodeProto) -> None:
        self.graph.nodes.append(node)

    def _infos(self) -> Iterator[onnx.ValueInfoProto]:
        if self.numbers:
            width = sum(self.columns[name].width for name in self.numbers)
            yield helper.make_tensor_value_info(NUMBERS, TYPES["double"], [None, width])
        if self.coded:
            yield helper.make_tensor_value_info(CODES, onnx.TensorProto.INT32, [None, len(self.coded)])
        for tensor in self.texts.values():
            yield helper.make_tensor_value_info(tensor, TYPES["string"], [None, 1])

    # --- what the graph does with its inputs ---

    def _sources(self, tensor: str) -> list[str] | None:
        """The columns that a tensor is made of, side by side and unchanged; None when it is anything else."""
        if tensor in self.columns:
            return [tensor]
        node = self.made.get(tensor)
        if node is None or node.op_type != "Concat" or helper.get_node_attr_value(node, "axis") != 1:
            return None
        parts = [self._sources(name) for name in node.input]
        return None if None in parts else [name for part in parts for name in part or ()]

    def _looks_up(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "LabelEncoder":
            return False
        sources = self._sources(node.input[0])
        return bool(sources) and not any(self.columns[name].kind != "string" or self.columns[name].lower for name in sources or ())  # fmt: skip

    def _is_numeric(self, sources: Sequence[str]) -> bool:
        return all(self.columns[name].kind == "double" for name in sources)

    def _used(self, kind: str) -> Iterator[str]:
        """Columns as they stand together in the graph, the longest row of them first."""
        rows = [
            sources for node in self.nodes for name in (*node.output, *node.input) if (sources := self._sources(name))
        ]
        return (name for row in sorted(rows, key=len, reverse=True) for name in row if self.columns[name].kind == kind)

    def _order(self, names: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))

    # --- the same from the packed tensors ---

    def _fed(self, node: onnx.NodeProto) -> onnx.NodeProto:
        fed = onnx.NodeProto()
        fed.CopyFrom(node)
        fed.input[:] = [self._input(name) if name in self.columns else name for name in node.input]
        return fed

    def _input(self, name: str) -> str:
        if self.columns[name].kind == "double":
            return self._gathered(NUMBERS, self.numbers, [name])
        return self.texts.setdefault(name, TEXT.format(len(self.texts)))

    def _gathered(self, tensor: str, order: Sequence[str], names: Sequence[str]) -> str:
        starts = dict(zip(order, np.cumsum([0, *(self.columns[name].width for name in order)]), strict=False))
        places = [starts[name] + at for name in names for at in range(self.columns[name].width)]
        if places == list(range(sum(self.columns[name].width for name in order))):
            return tensor
        return self.graph.op("Gather", tensor, np.array(places), axis=1)

    def _coded(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """The lookup's own values by the places of `keys`."""
        known = dict(zip(keys_of(node), numpy_helper.to_array(attribute(node, "values_tensor")).tolist(), strict=True))
        other = int(numpy_helper.to_array(attribute(node, "default_tensor"))[0])
        values = [known.get(key, other) for key in self.keys] + [other]
        codes = self._gathered(CODES, self.coded, self._sources(node.input[0]) or [])
        table = self.graph.name(np.array(values))
        return helper.make_node("Gather", [table, codes], node.output, axis=0)


def keys_of(node: onnx.NodeProto) -> list[str]:
    return [key.decode() for key in attribute(node, "keys_tensor").string_data]


def attribute(node: onnx.NodeProto, name: str) -> onnx.TensorProto:
    return next(one.t for one in node.attribute if one.name == name)
