"""OpenAPI 3.1 made from the model's own signature."""

from typing import Any, Final

from modelserve.models.version import Loaded
from modelserve.payloads.decode import JSON
from modelserve.schema.nested import AnyType, ArrayType, MapType, ObjectType
from modelserve.schema.signature import Column, Signature
from modelserve.schema.tensors import Tensor
from modelserve.schema.types import ColumnType

SCALARS: Final[dict[str, dict[str, Any]]] = {
    "integer": {"type": "integer", "minimum": -(1 << 31), "maximum": (1 << 31) - 1},
    "long": {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "binary": {"type": "string", "contentEncoding": "base64"},
    "datetime": {"type": "string", "format": "date-time"},
}

OBJECT: Final[dict[str, Any]] = {"type": "object"}
TEXT: Final[dict[str, Any]] = {"type": "string"}
ERROR: Final = {"error_code": TEXT, "message": TEXT, "details": {"type": "array", "items": OBJECT}, "request_id": TEXT}
ERRORS: Final = {
    "400": "The input is malformed or does not fit the signature; details name every bad cell.",
    "413": "The body, the rows or the columns exceed a limit.",
    "415": "The media type is not taken.",
    "429": "Too many rows wait for the model.",
    "500": "The model raised, or the server has a bug.",
    "503": "No model is active yet.",
    "504": "The request took longer than its limit.",
}


def document(loaded: Loaded) -> dict[str, Any]:
    record, result, invocation, predictions = map(ref, ("Record", "Result", "Invocation", "Predictions"))
    plain = {"oneOf": [record, array(record), invocation]}
    answer = {"oneOf": [result, array(result), predictions]}
    methods = {"type": "string", "enum": list(loaded.runtime.methods)}
    method = {"name": "predict_method", "in": "query", "required": False, "schema": methods}
    queried = "Score one record given as a query."
    return {
        "openapi": "3.1.0",
        "info": {"title": loaded.name, "version": loaded.version},
        "paths": {
            "/predict": {
                "post": operation("predict", "Score one record, or a list of them.", plain, answer, [method]),
                "get": operation("predictQuery", queried, None, result, query(loaded, method)),
            },
            "/invocations": {
                "post": operation("invocations", "MLflow's scoring protocol.", invocation, predictions, [method])
            },
            "/health": {"get": operation("health", "200 when a model is active.", None, OBJECT, [])},
            "/metadata": {"get": operation("metadata", "The model that is active.", None, OBJECT, [])},
        },
        "components": {
            "schemas": {
                "Record": record_schema(loaded.signature),
                "Invocation": invocation_schema(methods),
                "Predictions": {"type": "object", "required": ["predictions"], "properties": {"predictions": {}}},
                "Result": OBJECT,
                "Error": {"type": "object", "required": list(ERROR), "properties": ERROR},
            }
        },
    }


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def operation(
    name: str, summary: str, body: dict[str, Any] | None, answer: dict[str, Any], parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    error = {JSON: {"schema": ref("Error")}}
    responses: dict[str, Any] = {"200": {"description": "The answer.", "content": {JSON: {"schema": answer}}}}
    responses |= {status: {"description": text, "content": error} for status, text in ERRORS.items()}
    result: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if parameters:
        result["parameters"] = parameters
    if body is not None:
        result["requestBody"] = {"required": True, "content": {JSON: {"schema": body}}}
    return result


def query(loaded: Loaded, method: dict[str, Any]) -> list[dict[str, Any]]:
    columns = loaded.signature.columns if loaded.signature else ()
    named = [
        {"name": column.name, "in": "query", "required": column.required, "schema": schema_of(column.kind)}
        for column in columns
        if column.kind.name in SCALARS
    ]
    return [*named, method]


def record_schema(signature: Signature | None) -> dict[str, Any]:
    if signature is None:
        return OBJECT
    return {
        "type": "object",
        "properties": {column.name: nullable(column) for column in signature.columns},
        "required": [column.name for column in signature.columns if column.required],
        "minProperties": 1,
    }


def nullable(column: Column) -> dict[str, Any]:
    schema = schema_of(column.kind)
    return schema if column.required else {"anyOf": [schema, {"type": "null"}]}


def schema_of(kind: ColumnType) -> dict[str, Any]:
    if isinstance(kind, Tensor):
        schema = SCALARS.get(kind.item.name, {"type": "number"})
        for _ in kind.shape:
            schema = array(schema)
        return schema
    if isinstance(kind, ArrayType):
        return array(schema_of(kind.items))
    if isinstance(kind, MapType):
        return {"type": "object", "additionalProperties": schema_of(kind.values)}
    if isinstance(kind, ObjectType):
        return {"type": "object", "properties": {name: schema_of(item) for name, (item, _) in kind.fields.items()}}
    return {} if isinstance(kind, AnyType) else SCALARS[kind.name]


def invocation_schema(methods: dict[str, Any]) -> dict[str, Any]:
    records = array(ref("Record"))
    split = {
        "type": "object",
        "required": ["data"],
        "properties": {
            "columns": array(TEXT),
            "index": {"type": "array"},
            "data": array({"type": "array"}),
        },
    }
    forms = {"dataframe_records": records, "dataframe_split": split, "instances": {"type": "array"}, "inputs": {}}
    params = {"type": "object", "properties": {"predict_method": methods}}
    return {
        "type": "object",
        "properties": {**forms, "params": params, "parameters": params},
        "oneOf": [{"required": [form]} for form in forms],
    }
