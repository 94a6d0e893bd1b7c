"""Open Inference Protocol V2: named tensors in, as JSON or as bytes, one named tensor per requested method out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from modelserve.core.errors import InvalidParams, MalformedRequest
from modelserve.payloads import Limits, Payload, PayloadForm, tables
from modelserve.payloads.binary_tensors import (
    DTYPES,
    SIZE,
    Buffer,
    Encoded,
    encode_answer,
    fit_arrays,
    fit_matrix,
    read_items,
    write_texts,
)
from modelserve.payloads.json.mlflow import split_params
from modelserve.payloads.predictions import encode, jsonable
from modelserve.schema.batch import Table
from modelserve.schema.signature import Signature
from modelserve.schema.tensors import Tensor, flatten
from modelserve.schema.types import Array

DATATYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "BOOL": bool,
    **{f"{sign}INT{bits}": int for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": (int, float) for bits in (16, 32, 64)},
    "BYTES": str,
}
MAX_DIMENSIONS: Final = 32  # what numpy took before version 2
NUMBERS: Final = frozenset({"integer", "long", "float", "double"})  # columns that may stand in one tensor
OUTPUT_DATATYPES: Final = {"b": "BOOL", "i": "INT64", "u": "UINT64", "f": "FP64"}  # by the kind of a numpy dtype
TEXT: Final = frozenset({str})
KEPT_DTYPES: Final = frozenset(map(np.dtype, ("bool", "int64", "float64", "object")))

# Of the protocol and of its clients: they say nothing to a model, unless one of its own params has the name.
IGNORED: Final = frozenset(
    {"binary_data_output", "content_type", "headers", "priority", "timeout", "sequence_id", "sequence_start", "sequence_end"}
)  # fmt: skip
# They ask for what is not here, at an input or an output too.
REFUSED: Final = (
    "classification", "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size",
)  # fmt: skip
BINARY: Final = "binary_data"
BINARY_DEFAULT: Final = "binary_data_output"


class Input(NamedTuple):
    """`items` has one item for each cell, whatever the shape: JSON values, or an array that came as bytes."""

    name: str
    shape: list[int]
    items: list[Any] | Array


def parse(value: Any, signature: Signature | None, limits: Limits, buffer: Buffer | None = None) -> Payload:
    """Raises MalformedRequest naming the input at fault by its place."""
    if type(value) is not dict or type(value.get("inputs")) is not list or not value["inputs"]:
        raise MalformedRequest("The body must be an object with inputs, a list of tensors.")
    tables.check_columns(len(value["inputs"]), limits)
    inputs = [parse_input(tensor, place, signature, limits, buffer) for place, tensor in enumerate(value["inputs"])]
    if buffer is not None:
        buffer.check_empty()
    params, method = request_params(value.get("parameters"), signature)
    outputs, binary = parse_outputs(value.get("outputs"), parameters_of(value))
    own_id = value["id"] if type(value.get("id")) is str else None
    return Payload(to_table(inputs, signature, limits), params, method, PayloadForm.TENSORS, outputs, own_id, binary)


def request_params(given: Any, signature: Signature | None) -> tuple[dict[str, Any], str | None]:
    """The model's params without those of the protocol, and predict_method. Raises InvalidParams."""
    params, method = split_params({"parameters": given})
    own = {param.name for param in signature.params} if signature else set()
    refuse_parameters([name for name in params if name not in own])
    return {name: value for name, value in params.items() if name in own or name not in IGNORED}, method


def refuse_parameters(given: Iterable[str]) -> None:
    for name in REFUSED:
        if name in given:
            raise InvalidParams(f"The parameter {name} is not supported; send the request without it.")


def parameters_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a request, an input or an output."""
    found = value.get("parameters")
    return found if type(found) is dict else {}


def parse_input(tensor: Any, place: int, signature: Signature | None, limits: Limits, buffer: Buffer | None) -> Input:
    if type(tensor) is not dict or type(tensor.get("name")) is not str:
        raise MalformedRequest(f"Input {place} must be an object with name, shape, datatype and data.")
    shape, kind, data = tensor.get("shape"), tensor.get("datatype"), tensor.get("data")
    if type(shape) is not list or not shape or not all(type(n) is int and n > 0 for n in shape):
        raise MalformedRequest(f"The shape of input {place} must be a list of whole numbers above 0, rows first.")
    if len(shape) > min(limits.depth, MAX_DIMENSIONS):
        raise MalformedRequest(
            f"The shape of input {place} has more than {min(limits.depth, MAX_DIMENSIONS)} dimensions."
        )
    if type(kind) is not str or kind not in DATATYPES:
        raise MalformedRequest(f"The datatype of input {place} is not one of {', '.join(DATATYPES)}.")
    parameters = parameters_of(tensor)
    refuse_parameters(parameters)
    if SIZE in parameters and "data" not in tensor:
        if buffer is None:
            raise MalformedRequest(
                f"Input {place} has {SIZE}; set Inference-Header-Content-Length to the JSON's length."
            )
        items = read_items(buffer.take(parameters[SIZE], place), kind, shape, place, limits.cells)
        return Input(
            tensor["name"],
            shape,
            texts_of(items, place) if kind == "BYTES" and not takes_bytes(signature, tensor["name"]) else items,
        )
    if type(data) is not list:
        raise MalformedRequest(f"The data of input {place} must be a list, or stand as bytes behind the JSON.")
    try:
        _, items = flatten(data)
    except ValueError:
        raise MalformedRequest(f"The data of input {place} is ragged.") from None
    check_size(len(items), shape, place)
    check_items(items, DATATYPES[kind], kind, place)
    return Input(tensor["name"], shape, items)


def takes_bytes(signature: Signature | None, name: str) -> bool:
    """Whether the column of an input is binary: other columns take texts."""
    kinds = (
        [column.kind for column in signature.columns if column.name == name or not signature.named] if signature else []
    )
    items = [kind.item if isinstance(kind, Tensor) else kind for kind in kinds]
    return bool(items) and all(item.name == "binary" for item in items)


def texts_of(items: Iterable[bytes], place: int) -> list[str]:
    try:
        return [item.decode() for item in items]
    except UnicodeDecodeError:
        raise MalformedRequest(f"The data of input {place} is not valid UTF-8.") from None


def to_table(inputs: Sequence[Input], signature: Signature | None, limits: Limits) -> Table:
    names: set[str] = set()
    for place, one in enumerate(inputs):
        if one.name in names:
            raise MalformedRequest(f"Input {place} has the name of an earlier one.")
        names.add(one.name)
    tables.check_cells(sum(len(one.items) for one in inputs), limits)
    columns: dict[str, Any]
    if is_matrix(inputs, signature):
        items, (rows, width) = inputs[0].items, inputs[0].shape
        table = fit_matrix(items.reshape(rows, width), signature) if isinstance(items, np.ndarray) else None
        if table is not None:
            tables.check_rows(rows, limits)
            return table
        known = signature.names if signature else map(str, range(width))
        columns = {name: items[place::width] for place, name in enumerate(known)}
    else:
        tensors = signature is not None and signature.tensors
        columns = {one.name: rows_of(one.items, one.shape, tensors) for one in inputs}
        if signature and not signature.named and len(columns) == len(signature.columns):
            columns = dict(zip(signature.names, columns.values(), strict=True))
    table = tables.from_columns(columns, signature, limits)
    is_binary = any(isinstance(one.items, np.ndarray) for one in inputs)
    return fit_arrays(table, signature) if is_binary else table


def is_matrix(inputs: Sequence[Input], signature: Signature | None) -> bool:
    """Whether one tensor holds all columns of a model that takes numbers alone."""
    if len(inputs) > 1 or len(inputs[0].shape) != 2:
        return False
    width = inputs[0].shape[1]
    if signature is None:
        return width > 1
    return width == len(signature.columns) and all(column.kind.name in NUMBERS for column in signature.columns)


def check_size(items: int, shape: Sequence[int], place: int) -> None:
    """Multiplies no further than the items reach: a shape can name numbers of any length."""
    needed = 1
    for length in shape:
        needed *= length
        if needed > items:
            raise MalformedRequest(f"The data of input {place} has {items} items, its shape needs more.")
    if needed < items:
        raise MalformedRequest(f"The data of input {place} has {items} items, its shape needs {needed}.")


def check_items(items: Sequence[Any], types: type | tuple[type, ...], kind: str, place: int) -> None:
    allowed = {types} if isinstance(types, type) else set(types)
    if not set(map(type, items)) <= allowed | {type(None)}:
        raise MalformedRequest(f"The data of input {place} holds values that are not {kind}.")


def rows_of(items: Any, shape: Sequence[int], tensors: bool) -> Any:
    """A column comes as [n] or [n, 1]; both are n single values. A tensor keeps its shape."""
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1 and not tensors):
        return items
    if isinstance(items, np.ndarray):
        return items.reshape(shape)
    rows = items
    for length in reversed(shape[1:]):
        rows = [rows[at : at + length] for at in range(0, len(rows), length)]
    return rows


def parse_outputs(outputs: Any, parameters: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    """Their names, and which go as bytes. `parameters` are those of the request."""
    if outputs is None:
        outputs = []
    if type(outputs) is not list or not all(type(o) is dict and type(o.get("name")) is str for o in outputs):
        raise MalformedRequest("outputs must be a list of objects with a name, for example predict_proba.")
    names = tuple(output["name"] for output in outputs)
    if len(set(names)) != len(names):
        raise MalformedRequest("outputs names an output twice.")
    for output in outputs:
        refuse_parameters(parameters_of(output))
    default = parameters.get(BINARY_DEFAULT) is True
    binary = [parameters_of(output).get(BINARY, default) is True for output in outputs or [{}]]
    return names, tuple(binary) if any(binary) else ()


class Output(NamedTuple):
    """`values` are an array of numbers, or one text for each row."""

    name: str
    shape: Sequence[int]
    datatype: str
    values: Array | list[str]

    @property
    def description(self) -> dict[str, Any]:
        return {"name": self.name, "shape": list(self.shape), "datatype": self.datatype}

    def as_json(self) -> dict[str, Any]:
        data = self.values if isinstance(self.values, list) else self.values.ravel().tolist()
        return {**self.description, "data": data}

    def as_bytes(self) -> bytes:
        if isinstance(self.values, list):
            return write_texts(self.values)
        return self.values.astype(DTYPES[self.datatype], copy=False).tobytes()


def output_of(name: str, predictions: Any) -> Output:
    """`predictions` are what `keep_arrays` gives, one item per row. What is no number and no text goes as JSON."""
    items = predictions if type(predictions) in (list, np.ndarray) else [predictions]
    values = items.tolist() if type(items) is np.ndarray and items.dtype == object else items
    if type(values) is list and TEXT.issuperset(map(type, values)) and values:
        return Output(name, [len(values)], "BYTES", values)
    if values is not items:
        items = jsonable(items)
    try:
        array = np.asarray(items)
    except ValueError:  # lists of several lengths
        array = np.array([], dtype=object)
    if array.dtype.kind not in "biuf":
        texts = [item if type(item) is str else encode(item).decode() for item in items]
        return Output(name, [len(texts)], "BYTES", texts)
    return Output(name, array.shape, OUTPUT_DATATYPES[array.dtype.kind], array)


def answer_of(names: Mapping[str, Any], outputs: Sequence[Output], binary: Sequence[bool]) -> dict[str, Any] | Encoded:
    """`names` are the fields beside the outputs; `binary` says of each output whether it goes as bytes, and is empty when
    none does."""
    if not binary:
        return {**names, "outputs": [output.as_json() for output in outputs]}
    found = [
        (output.description, output.as_bytes()) if as_bytes else (output.as_json(), None)
        for output, as_bytes in zip(outputs, binary, strict=True)
    ]
    return encode_answer(names, found)


def keep_arrays(output: Any) -> Any:
    """For `output_of`: arrays of numbers and of objects as they are, everything else as JSON values."""
    return output if type(output) is np.ndarray and output.ndim and output.dtype in KEPT_DTYPES else jsonable(output)


def is_v2(value: Mapping[str, Any]) -> bool:
    """Whether `inputs` are tensors of this protocol rather than rows of MLflow's."""
    inputs = value.get("inputs")
    return type(inputs) is list and bool(inputs) and type(inputs[0]) is dict and "datatype" in inputs[0]
