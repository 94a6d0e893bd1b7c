"""Pack a compiled graph for serving: all numbers in one tensor, and categories as codes.

Nodes that only gather columns or look up categories are removed. `modelserve.models.compiled.packing` does their work in less
time than it takes to pass a text to ONNX Runtime. The other nodes stay unchanged, so both graphs give identical results.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from operator import add
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from modelserve.models.compiled.packing import CODES, NUMBERS, Input, Lookup, Plan
from modelserve_control.compile.onnx.graph import TYPES, Array, Graph, needed_nodes
from modelserve_control.compile.onnx.lookup import LARGEST_CODE, STOP
from modelserve_control.compile.onnx.row_order import find_splits
from modelserve_control.compile.onnx.smaller import add_smaller_graphs

TEXT: Final = "text_{}"
TAKE_TABLES: Final = ("TreeEnsemble", "Cast")


def pack(model: onnx.ModelProto, inputs: Sequence[Input], kinds: Mapping[str, str]) -> onnx.ModelProto:
    """`kinds`: the type of each output. The metadata of the packed model contains the plan."""
    return Packer(SourceGraph(model, inputs)).pack(kinds)


class SourceGraph:
    def __init__(self, model: onnx.ModelProto, inputs: Sequence[Input]) -> None:
        self.nodes = list(model.graph.node)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.columns = {column.name: column for column in inputs}
        self._made = {node.output[0]: node for node in self.nodes}
        self._tables = {node.input[0] for node in self.nodes if node.op_type in TAKE_TABLES}
        # A lookup with NaN among its keys or codes equals itself alone.
        self.numbers_of, self.lookups_of = cache(self._find_numbers), cache(self._find_lookups)

    def columns_of(self, tensor: str) -> list[Input] | None:
        """The columns that a tensor concatenates unchanged, or None if it contains anything else."""
        if tensor in self.columns:
            return [self.columns[tensor]]
        node = self._made.get(tensor)
        if node is None or not is_join(node):
            return None
        return flatten([self.columns_of(name) for name in node.input])

    def _find_numbers(self, tensor: str) -> list[Input | Lookup] | None:
        """The columns of numbers that a tensor concatenates, or None if it contains anything else. Among those of trees are
        categories that a table of the graph makes numbers of."""
        columns: list[Any] | None = self._numbers_of(tensor) if tensor in self._tables else self.columns_of(tensor)
        is_number = [isinstance(column, Lookup) or column.kind == "double" for column in columns or ()]
        return columns if is_number and all(is_number) else None

    def _numbers_of(self, tensor: str) -> list[Input | Lookup] | None:
        if tensor in self.columns:
            return [self.columns[tensor]]
        node = self._made.get(tensor)
        if node is not None and is_join(node):
            return flatten([self._numbers_of(name) for name in node.input])
        if node is not None and node.op_type == "Gather" and axis_of(node) == 0:
            return translate_codes(self.lookups_of(node.input[1]) or [], self.constant(node.input[0]), np.float64)
        if node is not None and node.op_type == "Gather" and (found := self._numbers_of(node.input[0])):
            return self._select(found, node)
        return None

    def _select(self, columns: list[Any], node: onnx.NodeProto) -> list[Any] | None:
        places = self.constant(node.input[1])
        return None if places is None else [columns[place] for place in places]

    def _find_lookups(self, tensor: str) -> list[Lookup] | None:
        """The lookups whose codes a tensor concatenates, or None if it contains anything else."""
        return require_encodable(self._lookups_of(tensor))

    def _lookups_of(self, tensor: str) -> list[Lookup] | None:
        node = self._made.get(tensor)
        if node is None:
            return None
        if node.op_type == "LabelEncoder":
            return self._label_encoder_lookups(node)
        if is_join(node):
            return flatten([self._lookups_of(name) for name in node.input])
        if node.op_type == "Add" and (found := self._lookups_of(node.input[0])):
            return shift_codes(found, self.constant(node.input[1]))
        if node.op_type == "Gather" and axis_of(node) == 0 and (found := self._lookups_of(node.input[1])):
            return translate_codes(found, self.constant(node.input[0]), np.int64)
        if node.op_type == "Gather" and axis_of(node) == 1 and (found := self._lookups_of(node.input[0])):
            return self._select(found, node)
        return None

    def _label_encoder_lookups(self, node: onnx.NodeProto) -> list[Lookup] | None:
        columns = self.columns_of(node.input[0])
        keys = attribute_tensor(node, "keys_tensor")
        texts = keys.dtype == object
        if columns is None or any(c.lower or c.width > 1 or (c.kind == "string") != texts for c in columns):
            return None
        names = [key.decode() if isinstance(key, bytes) else key for key in keys.tolist()]
        codes, other = (
            attribute_tensor(node, "values_tensor").tolist(),
            int(attribute_tensor(node, "default_tensor")[0]),
        )
        return [recode(Lookup(column, names, codes, other), int) for column in columns]

    def constant(self, name: str) -> Array | None:
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None


def is_join(node: onnx.NodeProto) -> bool:
    return bool(node.op_type == "Concat" and axis_of(node) == 1)


def axis_of(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)


def attribute_tensor(node: onnx.NodeProto, name: str) -> Array:
    return numpy_helper.to_array(next(attribute.t for attribute in node.attribute if attribute.name == name))


def flatten(parts: Sequence[list[Any] | None]) -> list[Any] | None:
    return None if None in parts else [one for part in parts for one in part or ()]


def shift_codes(lookups: Sequence[Lookup], offsets: Array | None) -> list[Lookup] | None:
    if offsets is None or offsets.shape != (1, len(lookups)):
        return None
    return [recode(lookup, partial(add, by)) for lookup, by in zip(lookups, offsets[0].tolist(), strict=True)]


def translate_codes(lookups: Sequence[Lookup], table: Array | None, dtype: Any) -> list[Any] | None:
    """Replace codes by entries of a table. None if a code is out of range, which must make the graph fail."""
    if not lookups or table is None or table.dtype != dtype or table.ndim != 1:
        return None
    if any(not 0 <= code < len(table) for lookup in lookups for code in (*lookup.codes, lookup.other)):
        return None
    return [recode(lookup, lambda code: table[int(code)].item()) for lookup in lookups]


def recode(lookup: Lookup, new: Callable[[Any], Any]) -> Lookup:
    """Drop keys with the code of unknown values. LARGEST_CODE is out of range of every table, like STOP."""
    other, *codes = (LARGEST_CODE if code == STOP else code for code in map(new, (lookup.other, *lookup.codes)))
    known = [(key, code) for key, code in zip(lookup.keys, codes, strict=True) if code != other]
    return replace(lookup, keys=[key for key, _ in known], codes=[code for _, code in known], other=other)


def require_encodable(lookups: list[Lookup] | None) -> list[Lookup] | None:
    for lookup in lookups or ():
        if not all(0 <= code <= LARGEST_CODE for code in (*lookup.codes, lookup.other)):
            return None
    return lookups


class Packer:
    def __init__(self, original: SourceGraph) -> None:
        self.original = original
        self.graph = Graph(prefix="packed_")
        self.graph.constants = dict(original.constants)
        self.texts: dict[str, Input] = {}
        self.numbers: list[Input | Lookup] = []
        self.lookups: list[Lookup] = []
        self.renamed: dict[str, str] = {}
        self.labels: dict[str, list[str]] = {}

    def pack(self, kinds: Mapping[str, str]) -> onnx.ModelProto:
        kept, _ = needed_nodes([node for node in self.original.nodes if not self._is_replaced(node.output[0])], kinds)
        used = dict.fromkeys(name for node in kept for name in node.input)
        for name in sorted(used, key=lambda name: -len(self.original.numbers_of(name) or ())):
            self._place(name)
        for name in used:
            self._rename(name)
        for node in kept:
            fed = onnx.NodeProto()
            fed.CopyFrom(node)
            fed.input[:] = [self.renamed.get(name, name) for name in node.input]
            self.graph.nodes.append(self._without_labels(fed, kinds))
        types = {name: "int64" if name in self.labels else kind for name, kind in kinds.items()}
        made = self.graph.model(list(self._infos()), {name: (name, kind) for name, kind in types.items()})
        plan = Plan(self.numbers, self.lookups, self.texts, labels=self.labels)
        add_smaller_graphs(made, replace(plan, splits=find_splits(made, plan)).encode())
        return made

    def _without_labels(self, node: onnx.NodeProto, kinds: Mapping[str, str]) -> onnx.NodeProto:
        """A node that gives texts as an output gives their places instead: ONNX Runtime takes 50 ns for each text."""
        (name, *_) = node.output
        if kinds.get(name) != "string" or any(name in other.input for other in self.original.nodes):
            return node
        constants = [self.original.constant(one) for one in node.input]
        if node.op_type == "Gather" and constants[0] is not None:
            self.labels[name] = constants[0].tolist()
            return helper.make_node("Identity", node.input[1:], [name])
        if node.op_type == "Where" and constants[1] is not None and constants[2] is not None:
            self.labels[name] = [*constants[2].tolist(), *constants[1].tolist()]
            return helper.make_node("Cast", node.input[:1], [name], to=TYPES["int64"])
        return node

    def _is_replaced(self, tensor: str) -> bool:
        return self.original.numbers_of(tensor) is not None or self.original.lookups_of(tensor) is not None

    def _place(self, name: str) -> None:
        self.numbers += [column for column in self.original.numbers_of(name) or () if column not in self.numbers]
        self.lookups += self.original.lookups_of(name) or ()

    def _rename(self, name: str) -> None:
        if columns := self.original.numbers_of(name):
            self.renamed[name] = self._gather(NUMBERS, [c.width for c in self.numbers], list(map(self.numbers.index, columns)))  # fmt: skip
        elif lookups := self.original.lookups_of(name):
            self.renamed[name] = self._gather(CODES, [1] * len(self.lookups), list(map(self.lookups.index, lookups)))
        elif name in self.original.columns:
            tensor = self.renamed[name] = TEXT.format(len(self.texts))
            self.texts[tensor] = self.original.columns[name]

    def _gather(self, tensor: str, widths: Sequence[int], chosen: Sequence[int]) -> str:
        starts = np.cumsum([0, *widths])
        places = [int(starts[one]) + at for one in chosen for at in range(widths[one])]
        if places == list(range(sum(widths))):
            return tensor
        return self.graph.op("Gather", tensor, np.array(places), axis=1)

    def _infos(self) -> Iterator[onnx.ValueInfoProto]:
        if self.numbers:
            width = sum(column.width for column in self.numbers)
            yield helper.make_tensor_value_info(NUMBERS, TYPES["double"], [None, width])
        if self.lookups:
            yield helper.make_tensor_value_info(CODES, TYPES["int64"], [None, len(self.lookups)])
        for tensor in self.texts:
            yield helper.make_tensor_value_info(tensor, TYPES["string"], [None, 1])
