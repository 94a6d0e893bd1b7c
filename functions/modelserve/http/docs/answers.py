"""What a function answers, as schemas: results by the model's own outputs, and every error."""

from http import HTTPStatus
from typing import Any, Final

import numpy as np

from modelserve.core import errors
from modelserve.core.errors import ServeError
from modelserve.http.docs.columns import SCALARS, Schema, array
from modelserve.models.version import Loaded
from modelserve.payloads.decode import JSON

NUMBER: Final[Schema] = {"type": ["number", "null"]}  # null is NaN or an infinite number
TEXT: Final[Schema] = {"type": "string"}
BY_DTYPE: Final[dict[str, Schema]] = {
    "f": NUMBER, "i": {"type": "integer"}, "u": {"type": "integer"}, "b": {"type": "boolean"}, "U": TEXT,
}  # fmt: skip
# By status: what it is about, and the codes that an HTTP request may get with it.
FAILURES: Final[dict[HTTPStatus, tuple[str, tuple[type[ServeError], ...]]]] = {
    HTTPStatus.BAD_REQUEST: (
        "The input is malformed or does not fit the signature; details name every bad cell.",
        (errors.MalformedRequest, errors.SignatureMismatch, errors.InvalidParams, errors.UnknownMethod),
    ),
    HTTPStatus.REQUEST_TIMEOUT: ("The request did not arrive in time.", (errors.ClientTooSlow,)),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("The body, the rows or the columns exceed a limit.", (errors.TooLarge,)),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("The media type is not taken.", (errors.UnsupportedMediaType,)),
    HTTPStatus.TOO_MANY_REQUESTS: ("Too many rows or bytes wait; send it again.", (errors.Overloaded,)),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "The model raised, or the server has a bug.",
        (errors.ModelFailed, errors.ServeError),
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "No version is active yet, or there is no connection left; send it again.",
        (errors.ModelNotReady, errors.TooManyConnections, errors.StoreUnavailable),
    ),
    HTTPStatus.GATEWAY_TIMEOUT: ("The request took longer than its limit.", (errors.DeadlineExceeded,)),
}
HEADERS: Final[dict[str, Schema]] = {
    "X-Model-Name": {"description": "The model that answered.", "schema": TEXT},
    "X-Model-Version": {"description": "Its version.", "schema": TEXT},
    "X-Request-Id": {"description": "That of the request, or a new one.", "schema": TEXT},
}
UNKNOWN: Final[Schema] = {
    "description": "How many cells hold a category that the model has never seen; missing if none does.",
    "schema": {"type": "integer", "minimum": 1},
}
RETRY: Final[Schema] = {"description": "Seconds until another attempt makes sense.", "schema": {"type": "integer"}}
ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error_code", "message", "details", "request_id"],
    "properties": {
        "error_code": TEXT,
        "message": {"type": "string", "description": "What is wrong and what to do, in a sentence."},
        "details": array({"$ref": "#/components/schemas/Detail"}),
        "request_id": TEXT,
        "error": {"type": "string", "description": "The message again, below /v1/models and /v2."},
    },
}
DETAIL: Final[Schema] = {
    "type": "object",
    "required": ["row", "column", "reason"],
    "properties": {
        "row": {"type": ["integer", "null"], "description": "Null where it is about all rows."},
        "column": {"type": ["string", "null"], "description": "Null where it is about the whole row."},
        "reason": TEXT,
    },
}


def error_schemas() -> dict[str, Schema]:
    named = {failure_name(status): failure_schema(kinds) for status, (_, kinds) in FAILURES.items()}
    return {"Detail": DETAIL, "Error": ERROR, **named}


def failure_name(status: HTTPStatus) -> str:
    return status.phrase.title().replace(" ", "") + "Error"


def failure_schema(kinds: tuple[type[ServeError], ...]) -> Schema:
    codes = {"error_code": {"type": "string", "enum": [kind.code for kind in kinds]}}
    return {"allOf": [{"$ref": "#/components/schemas/Error"}, {"type": "object", "properties": codes}]}


def failure_responses() -> dict[str, Schema]:
    return {failure_name(status): failure_response(status) for status in FAILURES}


def failure_response(status: HTTPStatus) -> Schema:
    schema = {"$ref": f"#/components/schemas/{failure_name(status)}"}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS}
    if any(kind.retryable for kind in FAILURES[status][1]) and status in (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ):
        headers["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    return {"description": FAILURES[status][0], "headers": headers, "content": {JSON: {"schema": schema}}}


def result_schema(loaded: Loaded) -> Schema:
    """Of the plain form, where no method is asked for."""
    methods, names = loaded.result_methods, loaded.class_names
    presentation = loaded.presentation
    if len(methods) < 2 or names is None:
        return close_object({presentation.label or "prediction": value_schema(loaded, methods[0])})
    probability = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
    fields = {
        "prediction": value_schema(loaded, methods[0]),
        "probabilities": close_object(dict.fromkeys(names, probability)),
    }
    if presentation.positive_class in names:
        name = presentation.label or str(presentation.positive_class)
        fields |= {f"{name}_probability": probability, name: {"type": "boolean"}}
    return close_object(fields)


def close_object(fields: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(fields), "properties": fields, "additionalProperties": False}


def value_schema(loaded: Loaded, method: str) -> Schema:
    """One row's answer of a method: known from the classes, else from the sample, else from the signature."""
    classes = loaded.runtime.classes
    if classes is not None and method == "predict":
        return {**one_type(classes), "enum": list(classes)}
    output = loaded.outputs.get(method)
    if isinstance(output, np.ndarray) and output.ndim:
        schema = BY_DTYPE.get(output.dtype.kind, {})
        for _ in range(output.ndim - 1):
            schema = array(schema)
        return schema
    outputs = (loaded.signature.raw.get("outputs") if loaded.signature else None) or []
    if classes is None and len(outputs) == 1 and outputs[0]["type"] in SCALARS and method == loaded.runtime.methods[0]:
        return scalar_answer(outputs[0]["type"])
    return {}


def scalar_answer(kind: str) -> Schema:
    return NUMBER if kind in ("float", "double") else {"type": SCALARS[kind]["type"]}


def one_type(classes: tuple[Any, ...]) -> Schema:
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    kinds = {names[type(label)] for label in classes if type(label) in names}
    return {"type": kinds.pop()} if len(kinds) == 1 else {}


def method_result_schema() -> Schema:
    """Where a method was asked for by name."""
    return close_object({"prediction": {}})
