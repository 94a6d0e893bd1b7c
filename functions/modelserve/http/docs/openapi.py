"""OpenAPI 3.1 made from the model's own signature, outputs and sample."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from modelserve.core.settings import Settings
from modelserve.http.docs.answers import (
    FAILURES,
    HEADERS,
    NUMBER,
    RETRY,
    TEXT,
    UNKNOWN,
    close_object,
    error_schemas,
    failure_name,
    failure_responses,
    method_result_schema,
    result_schema,
)
from modelserve.http.docs.columns import SCALARS, Schema, array, column_schema, example_records, record_schema
from modelserve.models.version import Loaded
from modelserve.payloads.decode import BINARY, CSV, JSON, PARQUET

STATUS: Final[Schema] = close_object({"status": {"type": "string", "const": "ok"}})
READY: Final[Schema] = close_object({"name": TEXT, "ready": {"type": "boolean", "const": True}})
NO_MODEL: Final = HTTPStatus.SERVICE_UNAVAILABLE
TENSOR: Final[Schema] = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": TEXT,
        "shape": array({"type": "integer"}),
        "datatype": TEXT,
        "parameters": {"type": "object"},
        "data": {"type": "array"},
    },
}


def document(loaded: Loaded, settings: Settings | None = None) -> dict[str, Any]:
    settings = settings or Settings()
    methods = {"type": "string", "enum": list(loaded.runtime.methods)}
    named = result_schema(loaded) != method_result_schema()
    results = [ref("Result"), ref("MethodResult")] if named else [ref("Result")]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": loaded.name,
            "version": loaded.version,
            "description": "One MLflow model. Every answer names the version that made it.",
        },
        "servers": [{"url": ".", "description": "Where this document is."}],
        "security": [{}, {"identityToken": []}],
        "paths": {
            **predict_paths(loaded, methods, one_of(results)),
            **protocol_paths(loaded),
            **state_paths(settings),
        },
        "components": {
            "schemas": {
                "Record": record_schema(loaded),
                "Result": result_schema(loaded),
                **({"MethodResult": method_result_schema()} if named else {}),
                "Invocation": invocation_schema(methods),
                "Predictions": close_object({"predictions": {}}),
                "InferenceRequest": inference_request(),
                "InferenceResponse": inference_response(),
                **error_schemas(),
            },
            "responses": failure_responses(),
            "headers": HEADERS | {"X-Unknown-Categories": UNKNOWN, "Retry-After": RETRY},
            "securitySchemes": {
                "identityToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Of Google, for this address as its audience, where the service is not public.",
                }
            },
        },
    }


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}


def predict_paths(loaded: Loaded, methods: Schema, result: Schema) -> dict[str, Any]:
    method = {"name": "predict_method", "in": "query", "required": False, "schema": methods}
    examples = example_records(loaded)
    invocation, predictions = ref("Invocation"), ref("Predictions")
    plain = {"oneOf": [ref("Record"), array(ref("Record")), invocation]} if loaded.signature else {}
    answer = {"oneOf": [result, array(result), predictions]}
    record = {"record": {"value": examples[0]}} if examples else {}
    bodies = {CSV: {"schema": TEXT}, PARQUET: {"schema": {"type": "string", "contentMediaType": PARQUET}}}
    plain_body = {JSON: {"schema": plain, **({"examples": record} if record else {})}, **bodies}
    form_body = {
        JSON: {"schema": invocation, **({"example": {"dataframe_records": examples}} if examples else {})},
        **bodies,
    }
    query_parameters = [*query(loaded), method]

    def predict(post: str, get: str) -> dict[str, Any]:
        return {
            "post": operation(post, "Score one record, or a list of them.", answer, plain_body, [method]),
            "get": operation(get, "Score one record given as a query.", result, None, query_parameters),
        }

    return {
        "/predict": predict("predict", "predictQuery"),
        "/": predict("predictAtRoot", "predictQueryAtRoot"),
        "/invocations": {
            "post": operation("invocations", "MLflow's scoring protocol.", predictions, form_body, [method])
        },
        f"/v1/models/{quote(loaded.name, safe='')}:predict": {
            "post": operation("predictV1", "KServe's V1: as /invocations.", predictions, form_body, [method])
        },
    }


def protocol_paths(loaded: Loaded) -> dict[str, Any]:
    name, version = quote(loaded.name, safe=""), quote(loaded.version, safe="")
    infer = {JSON: {"schema": ref("InferenceRequest")}, BINARY: {"schema": {"type": "string", "format": "binary"}}}
    metadata = {"type": "object", "required": ["name", "versions", "platform", "inputs", "outputs"]}
    paths: dict[str, Any] = {
        "/v1/models": get("listV1", "The model's name.", close_object({"models": array(TEXT)})),
        f"/v1/models/{name}": get("readyV1", "Whether it is ready.", READY),
        "/v2/models": get("listV2", "The model's name.", close_object({"models": array(TEXT)})),
        "/v2": get("serverV2", "The server.", {"type": "object", "required": ["name", "version", "extensions"]}),
        "/v2/health/live": get("liveV2", "200 while the process runs.", close_object({"live": {"type": "boolean"}})),
        "/v2/health/ready": get(
            "readyV2", "200 when a version is active.", close_object({"ready": {"type": "boolean"}}), NO_MODEL
        ),
    }
    for place, suffix in ((f"/v2/models/{name}", ""), (f"/v2/models/{name}/versions/{version}", "OfVersion")):
        paths |= {
            place: get(f"metadataV2{suffix}", "The model's tensors.", metadata, NO_MODEL),
            f"{place}/ready": get(f"modelReadyV2{suffix}", "Whether it is ready.", READY, NO_MODEL),
            f"{place}/infer": {
                "post": operation(f"inferV2{suffix}", "Open Inference Protocol.", ref("InferenceResponse"), infer, [])
            },
        }
    return paths


def state_paths(settings: Settings) -> dict[str, Any]:
    thing: Schema = {"type": "object", "required": ["name", "version", "predict_methods", "signature"]}
    document: Schema = {"type": "object", "required": ["openapi", "paths"]}
    ready = "200 when a version is active."
    paths = {
        "/health": get("health", ready, STATUS, NO_MODEL),
        "/health/ready": get("healthReady", ready, STATUS, NO_MODEL),
        "/ping": get("ping", ready, STATUS, NO_MODEL),
        "/health/live": get("healthLive", "200 while the process runs.", STATUS),
        "/version": get("version", "The version of MLflow.", TEXT, media="text/plain"),
        "/metadata": get("metadata", "The version that is active.", thing, NO_MODEL),
        "/openapi.json": get("openapi", "This document.", document, NO_MODEL),
        "/metrics": get("metrics", "Prometheus text, with METRICS=true; else 404.", TEXT, media="text/plain"),
    }
    if settings.docs:
        paths["/docs"] = get("docs", "A page to try the model.", TEXT, media="text/html")
    return paths


def get(name: str, summary: str, answer: Schema, status: HTTPStatus | None = None, media: str = JSON) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "The answer.", "content": {media: {"schema": answer}}}}
    if status is not None:
        responses[str(status.value)] = {"$ref": f"#/components/responses/{failure_name(status)}"}
    return {"get": {"operationId": name, "summary": summary, "responses": responses}}


def operation(
    name: str, summary: str, answer: Schema, body: dict[str, Any] | None, parameters: list[Schema]
) -> dict[str, Any]:
    headers = {header: {"$ref": f"#/components/headers/{header}"} for header in (*HEADERS, "X-Unknown-Categories")}
    success = {"description": "The answer.", "headers": headers, "content": {JSON: {"schema": answer}}}
    failures = {str(status.value): {"$ref": f"#/components/responses/{failure_name(status)}"} for status in FAILURES}
    result: dict[str, Any] = {"operationId": name, "summary": summary, "responses": {"200": success, **failures}}
    if parameters:
        result["parameters"] = parameters
    if body is not None:
        result["requestBody"] = {"required": True, "content": body}
    return result


def query(loaded: Loaded) -> list[Schema]:
    columns = loaded.signature.columns if loaded.signature else ()
    return [
        {"name": column.name, "in": "query", "required": column.required, "schema": column_schema(loaded, column)}
        for column in columns
        if column.kind.name in SCALARS
    ]


def invocation_schema(methods: Schema) -> Schema:
    split = {
        "type": "object",
        "required": ["data"],
        "properties": {"columns": array(TEXT), "index": {"type": "array"}, "data": array({"type": "array"})},
    }
    forms: dict[str, Schema] = {
        "dataframe_records": array(ref("Record")),
        "dataframe_split": split,
        "instances": {"type": "array"},
        "inputs": {},
    }
    params = {"type": "object", "properties": {"predict_method": methods}}
    return {
        "type": "object",
        "properties": {**forms, "params": params, "parameters": params},
        "oneOf": [{"required": [form]} for form in forms],
    }


def inference_request() -> Schema:
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": TEXT,
            "inputs": {**array(TENSOR), "minItems": 1},
            "outputs": array({"type": "object", "required": ["name"], "properties": {"name": TEXT}}),
            "parameters": {"type": "object"},
        },
    }


def inference_response() -> Schema:
    tensor = {
        **TENSOR,
        "properties": {**TENSOR["properties"], "data": array({"type": [*NUMBER["type"], "boolean", "string"]})},
    }
    fields = {"model_name": TEXT, "model_version": TEXT, "outputs": array(tensor)}
    return {"type": "object", "required": list(fields), "properties": {**fields, "id": TEXT}}
