"""The Open Inference Protocol: one tensor for each column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from modelserve.payloads import Limits, Payload, PayloadForm
from modelserve.payloads.json.oip_v2 import BINARY_DEFAULT, request_params
from modelserve.payloads.json.strict import measure
from modelserve.payloads.json.typed.cells import INTEGER, Categories, Cells, Unusual, cell_type, check_keys
from modelserve.schema.signature import Column, Signature
from modelserve.schema.types import IntegerType

NUMERIC: Final = frozenset({"integer", "long", "float", "double"})


class Tensor(msgspec.Struct, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: Raw
    parameters: dict[str, Any] | UnsetType | None = UNSET
    """Of no meaning here: how a text is encoded, which JSON says itself."""


class Output(msgspec.Struct, gc=False):
    name: str


class Request(msgspec.Struct, gc=False):
    inputs: list[Tensor]
    id: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    outputs: list[Output] | UnsetType | None = UNSET


class Tensors:
    decoder: Final = msgspec.json.Decoder(Request)

    def __init__(self, signature: Signature, limits: Limits, categories: Categories) -> None:
        self.signature = signature
        self.columns = signature.columns
        self.limits = limits
        self.cells = Cells(signature, limits)
        self.item_decoders = {
            (column.name, datatype): msgspec.json.Decoder(list[item])  # type: ignore[valid-type]  # made of what the version has
            for column in signature.columns
            for datatype, item in item_types(column, categories)
        }

    def read(self, data: bytes) -> Payload:
        """Raises Unusual, or what msgspec raises."""
        request = self.decoder.decode(data)
        items: dict[str, list[Any]] = {}
        keys = 1
        for tensor in request.inputs:
            decoder = self.item_decoders.get((tensor.name, tensor.datatype))
            if decoder is None or tensor.name in items:
                raise Unusual
            values = items[tensor.name] = decoder.decode(tensor.data)
            keys += 4 if tensor.parameters is UNSET else 5 + self._count_keys(tensor.parameters, 3)
            if tensor.shape not in ([len(values)], [len(values), 1]):
                raise Unusual
        (rows, *others) = set(map(len, items.values())) or [0]
        if others or any(column.required and column.name not in items for column in self.columns):
            raise Unusual
        nulls = [None] * rows
        table = self.cells.table({column.name: items.get(column.name, nulls) for column in self.columns}, rows)
        outputs = tuple(output.name for output in request.outputs or ())
        keys += len(outputs) + sum(part is not UNSET for part in (request.id, request.outputs, request.parameters))
        check_keys(data, keys + self._count_keys(request.parameters, 1))
        if len(set(outputs)) < len(outputs):
            raise Unusual
        if request.parameters and BINARY_DEFAULT in request.parameters:
            raise Unusual
        params, method = request_params(request.parameters or None, self.signature)
        own_id = None if request.id is UNSET else request.id
        return Payload(table, params, method, PayloadForm.TENSORS, outputs, own_id)

    def _count_keys(self, parameters: Any, depth: int) -> int:
        """Of what stands so many levels deep."""
        return measure(parameters, self.limits.depth - depth) if parameters else 0


def item_types(column: Column, categories: Categories) -> Iterator[tuple[str, Any]]:
    """The datatypes that fit the column, and as which type their items are read."""
    cell = cell_type(column, categories)
    if column.kind.name == "boolean":
        yield "BOOL", cell
    elif column.kind.name not in NUMERIC:
        yield "BYTES", cell
    else:
        whole = cell if isinstance(column.kind, IntegerType) else INTEGER if column.required else INTEGER | None
        for bits in (8, 16, 32, 64):
            yield f"INT{bits}", whole
            yield f"UINT{bits}", whole
        for bits in (16, 32, 64):
            yield f"FP{bits}", cell  # whole numbers may come as FP64; those written with a point are unusual
