"""The Open Inference Protocol: one tensor for each column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from modelserve.payloads import Limits, Payload, PayloadForm
from modelserve.payloads.json.oip_v2 import BINARY_DEFAULT, REFUSED, request_params
from modelserve.payloads.json.typed.cells import (
    INTEGER,
    MAX_COLUMNS,
    Categories,
    Cells,
    Scalar,
    Unusual,
    cell_type,
    check_keys,
)
from modelserve.payloads.json.typed.layouts import Layouts
from modelserve.schema.signature import Column, Signature
from modelserve.schema.types import IntegerType

NUMERIC: Final = frozenset({"integer", "long", "float", "double"})
# Of a tensor they have no meaning here: they say how a text is encoded, which JSON says itself.
PARAMETERS: Final = ("parameters", dict[str, Scalar] | UnsetType | None, UNSET)


class Heading(msgspec.Struct, gc=False):
    """What a tensor is, without its data."""

    name: str
    datatype: str


class Headings(msgspec.Struct, gc=False):
    inputs: list[Heading]


HEADING_DECODER: Final = msgspec.json.Decoder(Headings)


class Output(msgspec.Struct, gc=False):
    name: str


Key = tuple[tuple[str, str], ...]


class Tensors:
    def __init__(self, signature: Signature, limits: Limits, categories: Categories) -> None:
        self.signature = signature
        self.columns = signature.columns
        self.limits = limits
        self.cells = Cells(signature, limits, known=bool(categories))
        self.tensor_types = {
            (column.name, datatype): item
            for column in signature.columns
            for datatype, item in item_types(column, categories)
        }
        self.structs: dict[tuple[str, str], Any] = {}
        self.layouts: Layouts[Key, Layout] = Layouts(read_key, self._make_layout)

    def read(self, data: bytes) -> Payload:
        """Raises Unusual, or what msgspec raises."""
        request, layout = self.layouts.decode(data)
        tensors = request.inputs
        rows = len(tensors[0].data)
        shapes = ([rows], [rows, 1])
        keys = 1 + 4 * len(tensors)
        for tensor in tensors:
            if len(tensor.data) != rows or tensor.shape not in shapes:
                raise Unusual
            if tensor.parameters is not UNSET:
                keys += 1 + len(tensor.parameters or ())
                if tensor.parameters and not tensor.parameters.keys().isdisjoint(REFUSED):
                    raise Unusual
        nulls = [None] * rows
        columns = {name: nulls if place is None else tensors[place].data for name, place in layout.places}
        table = self.cells.table(columns, rows)
        outputs = tuple(output.name for output in request.outputs or ())
        keys += len(outputs) + sum(part is not UNSET for part in (request.id, request.outputs, request.parameters))
        check_keys(data, keys + len(request.parameters or ()))
        if len(set(outputs)) < len(outputs):
            raise Unusual
        if request.parameters and BINARY_DEFAULT in request.parameters:
            raise Unusual
        params, method = request_params(request.parameters or None, self.signature)
        own_id = None if request.id is UNSET else request.id
        return Payload(table, params, method, PayloadForm.TENSORS, outputs, own_id)

    def _make_layout(self, key: Key) -> Layout:
        return Layout(key, self.columns, [self._struct(one) for one in key])

    def _struct(self, key: tuple[str, str]) -> Any:
        """The type of a tensor with this name and datatype."""
        found = self.structs.get(key)
        if found is None:
            item = self.tensor_types.get(key)
            if item is None:
                raise Unusual
            name, datatype = key
            fields: list[Any] = [("name", Literal[name]), ("shape", list[int]), ("datatype", Literal[datatype])]
            fields += [("data", list[item]), PARAMETERS]  # type: ignore[valid-type]  # made of what the version has
            found = self.structs[key] = msgspec.defstruct("Tensor", fields, gc=False)
        return found


def read_key(data: bytes) -> Key:
    return tuple((heading.name, heading.datatype) for heading in HEADING_DECODER.decode(data).inputs)


class Layout:
    """The tensors of a request, in the order that its caller has them. Raises Unusual."""

    def __init__(self, key: Key, columns: Sequence[Column], structs: Sequence[Any]) -> None:
        places: Mapping[str, int] = {name: place for place, (name, _) in enumerate(key)}
        if not 0 < len(key) == len(places) <= MAX_COLUMNS:
            raise Unusual
        if any(column.required and column.name not in places for column in columns):
            raise Unusual
        fields: list[Any] = [
            ("inputs", tuple[tuple(structs)]),  # type: ignore[misc]  # as above
            ("id", str | UnsetType, UNSET),
            PARAMETERS,
            ("outputs", list[Output] | UnsetType | None, UNSET),
        ]
        self.decoder = msgspec.json.Decoder(msgspec.defstruct("Request", fields, gc=False))
        self.places = [(column.name, places.get(column.name)) for column in columns]


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
