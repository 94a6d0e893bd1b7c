"""Open Inference Protocol V2, JSON form: named tensors in, one named tensor per requested method out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from modelserve.core.errors import MalformedRequest
from modelserve.payloads import Limits, Payload, PayloadForm, tables
from modelserve.payloads.json.mlflow import split_params
from modelserve.payloads.predictions import encode
from modelserve.schema.signature import Signature
from modelserve.schema.tensors import flatten

DATATYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "BOOL": bool,
    **{f"{sign}INT{bits}": int for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": (int, float) for bits in (16, 32, 64)},
    "BYTES": str,
}
MAX_DIMENSIONS: Final = 32  # what numpy took before version 2


def parse(value: Any, signature: Signature | None, limits: Limits) -> Payload:
    """Raises MalformedRequest naming the input at fault by its place."""
    if type(value) is not dict or type(value.get("inputs")) is not list or not value["inputs"]:
        raise MalformedRequest("The body must be an object with inputs, a list of tensors.")
    columns: dict[str, list[Any]] = {}
    tensors = signature is not None and signature.tensors
    for place, tensor in enumerate(value["inputs"]):
        name, rows = parse_input(tensor, place, tensors, limits)
        if name in columns:
            raise MalformedRequest(f"Input {place} has the name of an earlier one.")
        columns[name] = rows
    if signature and not signature.named and len(columns) == len(signature.columns):
        columns = dict(zip(signature.names, columns.values(), strict=True))
    params, method = split_params({"parameters": value.get("parameters")})
    table = tables.from_columns(columns, signature, limits)
    own_id = value["id"] if type(value.get("id")) is str else None
    outputs = tuple(output_names(value.get("outputs")))
    return Payload(table, params, method, PayloadForm.TENSORS, outputs, own_id)


def parse_input(tensor: Any, place: int, tensors: bool, limits: Limits) -> tuple[str, list[Any]]:
    """The name and one item per row: a value, or nested lists for more dimensions."""
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
    if type(data) is not list:
        raise MalformedRequest(f"The data of input {place} must be a list; the binary extension is not supported.")
    try:
        _, items = flatten(data)
    except ValueError:
        raise MalformedRequest(f"The data of input {place} is ragged.") from None
    check_size(len(items), shape, place)
    check_items(items, DATATYPES[kind], kind, place)
    return tensor["name"], rows_of(items, shape, tensors)


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


def rows_of(items: list[Any], shape: Sequence[int], tensors: bool) -> list[Any]:
    """A column comes as [n] or [n, 1]; both are n single values. A tensor keeps its shape."""
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == 1 and not tensors):
        return items
    rows: list[Any] = items
    for length in reversed(shape[1:]):
        rows = [rows[at : at + length] for at in range(0, len(rows), length)]
    return rows


def output_names(outputs: Any) -> list[str]:
    if outputs is None:
        return []
    if type(outputs) is not list or not all(type(o) is dict and type(o.get("name")) is str for o in outputs):
        raise MalformedRequest("outputs must be a list of objects with a name, for example predict_proba.")
    names = [output["name"] for output in outputs]
    if len(set(names)) != len(names):
        raise MalformedRequest("outputs names an output twice.")
    return names


def tensor_of(name: str, predictions: Any) -> Mapping[str, Any]:
    """One output tensor; `predictions` are JSON values, one item per row. What is no number and no text goes as JSON."""
    items = predictions if type(predictions) is list else [predictions]
    try:
        array = np.array(items)
    except ValueError:  # lists of several lengths
        array = np.array([], dtype=object)
    if array.dtype.kind not in "biuf":
        texts = [item if type(item) is str else encode(item).decode() for item in items]
        return {"name": name, "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    datatype = {"b": "BOOL", "i": "INT64", "u": "UINT64", "f": "FP64"}[array.dtype.kind]
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}


def is_v2(value: Mapping[str, Any]) -> bool:
    """Whether `inputs` are tensors of this protocol rather than rows of MLflow's."""
    inputs = value.get("inputs")
    return type(inputs) is list and bool(inputs) and type(inputs[0]) is dict and "datatype" in inputs[0]
