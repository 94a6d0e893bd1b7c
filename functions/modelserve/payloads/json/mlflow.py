"""The JSON forms that name themselves: MLflow's `/invocations` protocol, and Vertex AI's `instances` with `parameters`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from modelserve.core.errors import InvalidParams, MalformedRequest
from modelserve.payloads import Limits, Payload, tables
from modelserve.schema.batch import Table
from modelserve.schema.nested import Nested
from modelserve.schema.signature import Signature

FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
CHAT: Final = ("messages", "prompt", "input")  # bodies of language models, which MLflow passes on as they are
OPTIONS: Final = frozenset({"params", "parameters"})
METHOD: Final = "predict_method"


def is_form(value: Any, signature: Signature | None) -> bool:
    """Whether a body is one of the forms rather than a plain record with a column of such a name."""
    if type(value) is not dict:
        return False
    columns = signature.names if signature else ()
    return any(form in value and form not in columns for form in FORMS)


def parse(value: Any, signature: Signature | None, limits: Limits) -> Payload:
    """Raises MalformedRequest unless exactly one of the forms is there, with nothing unknown beside it."""
    found = [form for form in FORMS if form in value] if type(value) is dict else []
    chat = [name for name in CHAT if name in value] if type(value) is dict and not found else []
    if chat:
        raise MalformedRequest(f"A body with {chat[0]} alone is not taken here; post it to /predict as a record.")
    if len(found) != 1:
        raise MalformedRequest(
            f"The body must be an object with exactly one of {', '.join(FORMS)}; it has {len(found)}."
        )
    form = found[0]
    if value.keys() - OPTIONS - {form}:
        raise MalformedRequest(f"Beside {form} only params or parameters may stand.")
    params, method = split_params(value)
    table = PARSERS[form](value[form], signature, limits)
    return Payload(table, params, method)


def split_params(value: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The params without predict_method, and predict_method."""
    params: dict[str, Any] = {}
    for option in ("params", "parameters"):
        given = value.get(option)
        if given is None:
            continue
        if type(given) is not dict:
            raise InvalidParams(f"{option} must be an object.")
        params.update(given)
    method = params.pop(METHOD, None)
    if method is not None and type(method) is not str:
        raise InvalidParams(f"{METHOD} must be a string.")
    return params, method


def parse_split(value: Any, signature: Signature | None, limits: Limits) -> Table:
    if type(value) is not dict or type(value.get("data")) is not list:
        raise MalformedRequest(
            "dataframe_split must be an object with data, a list of rows, and columns, a list of names."
        )
    if value.keys() - {"columns", "index", "data"}:
        raise MalformedRequest("dataframe_split takes columns, index and data.")
    index = value.get("index")
    if index is not None and (type(index) is not list or len(index) != len(value["data"])):
        raise MalformedRequest("The index of dataframe_split must be a list with one entry for each row of data.")
    names = value.get("columns")
    if names is None and signature is not None and tables.takes_values(signature):
        names = signature.names
    elif names is None:
        return tables.from_rows(value["data"], signature, limits)
    elif type(names) is not list or not all(type(name) in (str, int) for name in names):
        raise MalformedRequest("The columns of dataframe_split must be a list of names.")
    if signature is not None and tables.takes_frame(signature):
        table = tables.from_split(names, value["data"], None, limits)
        return tables.to_tensor(table.columns, table.rows, signature)
    return tables.from_split(names, value["data"], signature, limits)


def parse_records(value: Any, signature: Signature | None, limits: Limits) -> Table:
    if type(value) is not list:
        raise MalformedRequest("dataframe_records must be a list of objects.")
    return tables.from_records(value, signature, limits)


def parse_instances(value: Any, signature: Signature | None, limits: Limits) -> Table:
    if type(value) is dict and not tables.takes_values(signature):
        return parse_inputs(value, signature, limits)
    if type(value) is not list:
        raise MalformedRequest("instances must be a list, one item per row, or an object of columns.")
    if value and type(value[0]) is dict and not tables.takes_values(signature):
        return tables.from_records(value, signature, limits)
    return tables.from_rows(value, signature, limits)


def parse_inputs(value: Any, signature: Signature | None, limits: Limits) -> Table:
    """An object of columns, one object of single values (one row), or whatever `instances` takes."""
    if type(value) is dict and not tables.takes_values(signature):
        nested = signature is not None and any(isinstance(column.kind, Nested) for column in signature.columns)
        if nested or not all(type(item) is list for item in value.values()):
            return tables.from_records([value], signature, limits)
        return tables.from_columns(value, signature, limits)
    if type(value) is not list:
        value = [value]
    return parse_instances(value, signature, limits)


PARSERS: Final = {
    "dataframe_split": parse_split,
    "dataframe_records": parse_records,
    "instances": parse_instances,
    "inputs": parse_inputs,
}
