"""The graph that is served: as the compiled one, but with all numbers in one tensor and categories already as codes.

Nodes that only gather columns or look categories up leave the graph: `modelserve.models.compiled.packing` does their work in less
time than it takes to hand a text over. The others stay as they are, so both graphs give the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import add
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from modelserve.models.compiled.packing import CODES, LARGEST_CODE, NUMBERS, Input, Lookup, Plan
from modelserve_control.compile.onnx.graph import TYPES, Array, Graph
from modelserve_control.compile.onnx.lookup import STOP
from modelserve_control.compile.onnx.smaller import add_smaller

TEXT: Final = "text_{}"


def pack(model: onnx.ModelProto, inputs: Sequence[Input], kinds: Mapping[str, str]) -> onnx.ModelProto:
    """`kinds`: the type of each output. The packed model's metadata holds the plan."""
    return Packer(Original(model, inputs)).packed(kinds)


class Original:
    """What the tensors of a compiled graph are made of."""

    def __init__(self, model: onnx.ModelProto, inputs: Sequence[Input]) -> None:
        self.nodes = list(model.graph.node)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.columns = {column.name: column for column in inputs}
        self._made = {node.output[0]: node for node in self.nodes}

    def columns_of(self, tensor: str) -> list[Input] | None:
        """The columns that a tensor holds side by side and unchanged; None when it is anything else."""
        if tensor in self.columns:
            return [self.columns[tensor]]
        node = self._made.get(tensor)
        if node is None or not joins(node):
            return None
        return together([self.columns_of(name) for name in node.input])

    def lookups_of(self, tensor: str) -> list[Lookup] | None:
        """The lookups whose codes a tensor holds side by side; None when it is anything else."""
        return encodable(self._lookups_of(tensor))

    def _lookups_of(self, tensor: str) -> list[Lookup] | None:
        node = self._made.get(tensor)
        if node is None:
            return None
        if node.op_type == "LabelEncoder":
            return self._looked_up(node)
        if joins(node):
            return together([self._lookups_of(name) for name in node.input])
        if node.op_type == "Add" and (found := self._lookups_of(node.input[0])):
            return moved(found, self._constant(node.input[1]))
        if node.op_type == "Gather" and axis_of(node) == 0 and (found := self._lookups_of(node.input[1])):
            return translated(found, self._constant(node.input[0]))
        if node.op_type == "Gather" and axis_of(node) == 1 and (found := self._lookups_of(node.input[0])):
            places = self._constant(node.input[1])
            return None if places is None else [found[place] for place in places]
        return None

    def _looked_up(self, node: onnx.NodeProto) -> list[Lookup] | None:
        columns = self.columns_of(node.input[0])
        keys = held(node, "keys_tensor")
        texts = keys.dtype == object
        if columns is None or any(c.lower or c.width > 1 or (c.kind == "string") != texts for c in columns):
            return None
        names = [key.decode() if isinstance(key, bytes) else key for key in keys.tolist()]
        codes, other = held(node, "values_tensor").tolist(), int(held(node, "default_tensor")[0])
        return [recoded(Lookup(column, names, codes, other), int) for column in columns]

    def _constant(self, name: str) -> Array | None:
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None


def joins(node: onnx.NodeProto) -> bool:
    return bool(node.op_type == "Concat" and axis_of(node) == 1)


def axis_of(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)


def held(node: onnx.NodeProto, name: str) -> Array:
    return numpy_helper.to_array(next(attribute.t for attribute in node.attribute if attribute.name == name))


def together(parts: Sequence[list[Any] | None]) -> list[Any] | None:
    return None if None in parts else [one for part in parts for one in part or ()]


def moved(lookups: Sequence[Lookup], offsets: Array | None) -> list[Lookup] | None:
    if offsets is None or offsets.shape != (1, len(lookups)):
        return None
    return [recoded(lookup, partial(add, by)) for lookup, by in zip(lookups, offsets[0].tolist(), strict=True)]


def translated(lookups: Sequence[Lookup], table: Array | None) -> list[Lookup] | None:
    """Codes are places in a table of other codes. A place that it does not have stops the graph, so it is left there."""
    if table is None or table.dtype != np.int64 or table.ndim != 1:
        return None
    if any(not 0 <= code < len(table) for lookup in lookups for code in (*lookup.codes, lookup.other)):
        return None
    return [recoded(lookup, lambda code: int(table[code])) for lookup in lookups]


def recoded(lookup: Lookup, new: Callable[[int], int]) -> Lookup:
    """Keys that have the code of all others are left out. What stops the graph is no place in any of its tables."""
    other, *codes = (LARGEST_CODE if code == STOP else code for code in map(new, (lookup.other, *lookup.codes)))
    known = [(key, code) for key, code in zip(lookup.keys, codes, strict=True) if code != other]
    return replace(lookup, keys=[key for key, _ in known], codes=[code for _, code in known], other=other)


def encodable(lookups: list[Lookup] | None) -> list[Lookup] | None:
    """None when one of them cannot be done outside of the graph."""
    for lookup in lookups or ():
        if not all(0 <= code <= LARGEST_CODE for code in (*lookup.codes, lookup.other)):
            return None
        numeric = lookup.column.kind == "double"
        if numeric and (lookup.column.nullable or any(key != key for key in lookup.keys)):
            return None  # outside of a graph no null is equal to another
    return lookups


class Packer:
    def __init__(self, original: Original) -> None:
        self.original = original
        self.graph = Graph(prefix="packed_")
        self.graph.constants = dict(original.constants)
        self.texts: dict[str, Input] = {}
        self.numbers: list[Input] = []
        self.lookups: list[Lookup] = []
        self.renamed: dict[str, str] = {}

    def packed(self, kinds: Mapping[str, str]) -> onnx.ModelProto:
        kept = self._kept(set(kinds))
        used = dict.fromkeys(name for node in kept for name in node.input)
        for name in sorted(used, key=lambda name: -len(self.original.columns_of(name) or ())):
            self._place(name)
        for name in used:
            self._rename(name)
        for node in kept:
            fed = onnx.NodeProto()
            fed.CopyFrom(node)
            fed.input[:] = [self.renamed.get(name, name) for name in node.input]
            self.graph.nodes.append(fed)
        made = self.graph.model(list(self._infos()), {name: (name, kind) for name, kind in kinds.items()})
        add_smaller(made, Plan(self.numbers, self.lookups, self.texts).encode())
        return made

    def _kept(self, wanted: set[str]) -> list[onnx.NodeProto]:
        """The nodes that the outputs still need when others have left."""
        kept = []
        for node in reversed(self.original.nodes):
            if wanted & set(node.output) and not self._leaves(node.output[0]):
                wanted |= set(node.input)
                kept.append(node)
        return kept[::-1]

    def _leaves(self, tensor: str) -> bool:
        return self._numeric(tensor) is not None or self.original.lookups_of(tensor) is not None

    def _numeric(self, tensor: str) -> list[Input] | None:
        columns = self.original.columns_of(tensor)
        return columns if columns and all(column.kind == "double" for column in columns) else None

    def _place(self, name: str) -> None:
        """Numbers that stand together in the graph get their places together, the longest row of them first."""
        self.numbers += [column for column in self._numeric(name) or () if column not in self.numbers]
        self.lookups += self.original.lookups_of(name) or ()

    def _rename(self, name: str) -> None:
        if columns := self._numeric(name):
            self.renamed[name] = self._gathered(NUMBERS, [c.width for c in self.numbers], list(map(self.numbers.index, columns)))  # fmt: skip
        elif lookups := self.original.lookups_of(name):
            self.renamed[name] = self._gathered(CODES, [1] * len(self.lookups), list(map(self.lookups.index, lookups)))
        elif name in self.original.columns:
            tensor = self.renamed[name] = TEXT.format(len(self.texts))
            self.texts[tensor] = self.original.columns[name]

    def _gathered(self, tensor: str, widths: Sequence[int], chosen: Sequence[int]) -> str:
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
