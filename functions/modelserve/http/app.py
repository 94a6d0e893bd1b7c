"""The HTTP function: addresses to answers. Every answer names the model, the version and the request."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.errors import MalformedRequest, MethodNotAllowed, NotFound, UnsupportedMediaType
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.http import answers, metadata
from modelserve.http.bodies import BodyMemory, Headers, MemoryShare, media_type, read_body
from modelserve.http.compression import GZIP_BYTES, compress, takes_gzip
from modelserve.http.decoder.client import Decoder
from modelserve.http.endpoint import Endpoint, Reply, metrics_reply, reply, sent_path
from modelserve.models import scoring
from modelserve.models.active import ActiveModel
from modelserve.models.version import Loaded
from modelserve.payloads import Limits
from modelserve.payloads.decode import (
    BINARY,
    JSON,
    JSON_SIZE,
    PARQUET,
    CheckedBody,
    Protocol,
    binary_type,
    check_payload,
)
from modelserve.payloads.json import records as plain_records
from modelserve.payloads.json.mlflow import METHOD
from modelserve.payloads.predictions import encode
from modelserve.schema.batch import Batch

V1_MODEL: Final = re.compile(r"/v1/models/(?P<name>[^/:]+)(?P<action>:predict)?")
V2_MODEL: Final = re.compile(r"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?(?P<action>/infer|/ready)?")
# Letters, digits and -._~ mean the same when they are encoded: another spelling of an address.
ENCODED_NEEDLESSLY: Final = re.compile(r"%(?:2[de]|3\d|[46][1-9a-f]|5[0-9af]|7[0-9ae])", re.IGNORECASE)

MAX_SIZE_DIGITS: Final = 18  # of a length that a header says
IDEMPOTENCY_KEY: Final = b"idempotency-key"
ANY_NUMBER_OF_TIMES: Final = (
    "Send the request without Idempotency-Key: scoring changes nothing, so it may be sent again as it is."
)

OnPrediction = Callable[[Request, Headers, bytes, Loaded, Reply], None]
Handler = Callable[[Request, Headers], Awaitable[Response]]


class Http(Endpoint):
    """`on_prediction` is called with each request that a model has answered, and its response."""

    def __init__(
        self, settings: Settings, active: ActiveModel, metrics: Metrics, on_prediction: OnPrediction | None = None
    ) -> None:
        super().__init__(settings, active, metrics)
        self.limits = Limits.from_settings(settings)
        self.decoder = Decoder(settings, self.limits, metrics)
        self.body_memory = BodyMemory(settings.max_held_bytes)
        self.routes = self._routes()
        self.model_handlers = lru_cache(maxsize=64)(self._model_handlers)
        self.on_prediction = on_prediction

    def _routes(self) -> dict[str, dict[str, Handler]]:
        predict: dict[str, Handler] = {"POST": partial(self.post, protocol=Protocol.PREDICT), "GET": self.get_predict}
        health: dict[str, Handler] = {"GET": self.get_health}
        routes: dict[str, dict[str, Handler]] = {
            "/": predict | {"GET": self.get_root},
            "/predict": predict,
            "/invocations": {"POST": partial(self.post, protocol=Protocol.INVOCATIONS)},
            "/ping": health,
            "/health": health,
            "/health/ready": health,
            "/health/live": {"GET": partial(self.get_constant, value={"status": "ok"})},
            "/version": {"GET": self.get_version},
            "/metadata": {"GET": partial(self.get_document, build=metadata.document)},
            "/openapi.json": {"GET": self.get_openapi},
            "/v1/models": {"GET": self.get_names},
            "/v2": {"GET": partial(self.get_constant, value=metadata.V2_SERVER)},
            "/v2/models": {"GET": self.get_names},
            "/v2/health/live": {"GET": partial(self.get_constant, value={"live": True})},
            "/v2/health/ready": {"GET": self.get_v2_ready},
        }
        if self.settings.docs:
            routes["/docs"] = {"GET": self.get_page}
        if self.settings.metrics:
            routes["/metrics"] = {"GET": self.get_metrics}
        if self.settings.aip_health_route:
            routes[self.settings.aip_health_route] = health
        if self.settings.aip_predict_route:
            routes[self.settings.aip_predict_route] = predict
        return routes

    def answer(self, request: Request, headers: Headers) -> Awaitable[Response]:
        path = sent_path(request)
        handlers = self.routes.get(path) or self.model_handlers(path)
        method = "GET" if request.method == "HEAD" else request.method
        handler = handlers.get(method)
        if handler is None:
            raise MethodNotAllowed(sorted(handlers))
        return handler(request, headers)

    async def post(self, request: Request, headers: Headers, protocol: Protocol, is_named: bool = False) -> Response:
        """`is_named`: the address names the model."""
        async with self.lease() as loaded:
            if is_named:
                check_name(request, loaded)
            if IDEMPOTENCY_KEY in headers:
                raise MalformedRequest(ANY_NUMBER_OF_TIMES)
            kind = v2_media_type(headers) if protocol is Protocol.V2 else media_type(headers)
            if kind == PARQUET and not self.settings.parquet:
                raise UnsupportedMediaType("This server takes no Parquet; send JSON or CSV.")
            with MemoryShare(self.body_memory) as share:
                data = await read_body(request, headers, self.settings.max_request_bytes, share)
                checked = self.decoder.check_typed(data, kind, protocol, loaded.decoder)
                if checked is None:
                    checked = await self.decoder.check(data, kind, protocol, loaded.decoder)
                if request.scope["query_string"]:
                    payload = checked.payload.with_default_method(request.query_params.get(METHOD))
                    checked = CheckedBody(payload, checked.batch)
                return await self.answer_checked(request, headers, data, loaded, checked)

    async def get_predict(self, request: Request, headers: Headers) -> Response:
        async with self.lease() as loaded:
            pairs = request.query_params.multi_items()
            payload = plain_records.parse_query(pairs, loaded.signature, self.limits)
            checked = check_payload(payload, loaded.signature)
            return await self.answer_checked(request, headers, b"", loaded, checked)

    async def answer_checked(
        self, request: Request, headers: Headers, data: bytes, loaded: Loaded, checked: CheckedBody
    ) -> Response:
        value = await answers.answer(loaded, checked)
        if self.metrics.enabled:
            self.metrics.count("extra_columns", len(checked.payload.table.others))
            self.metrics.count("rows", checked.batch.rows)
        few = checked.batch.rows <= scoring.INLINE_ROWS
        response = reply(value, loaded) if few else await asyncio.to_thread(reply, value, loaded)
        if loaded.categories and not checked.payload.table.known:
            await self.count_unknown(response, loaded, checked.batch)
        if self.on_prediction is not None:  # which reads the answer, so before it is compressed
            self.on_prediction(request, headers, data, loaded, response)
        if len(response.body) > GZIP_BYTES and takes_gzip(headers):
            await asyncio.to_thread(compress, response)
        return response

    async def count_unknown(self, response: Reply, loaded: Loaded, batch: Batch) -> None:
        response.unknown_categories = await scoring.for_rows(batch.rows, lambda: loaded.count_unknown(batch))
        if unknown := sum(response.unknown_categories):
            response.raw_headers.append((b"x-unknown-categories", b"%d" % unknown))
            self.metrics.count("unknown_categories", unknown)

    def _model_handlers(self, path: str) -> dict[str, Handler]:
        """Of the addresses that name the model."""
        if match := match_path(V1_MODEL, path):
            post = partial(self.post, protocol=Protocol.INVOCATIONS, is_named=True)
            return {"POST": post} if match["action"] else {"GET": self.get_model_ready}
        if match := match_path(V2_MODEL, path):
            if match["action"] == "/infer":
                return {"POST": partial(self.post, protocol=Protocol.V2, is_named=True)}
            return {"GET": self.get_model_ready if match["action"] else self.get_v2_model}
        raise NotFound("There is nothing at this address; GET /openapi.json lists what there is.")

    async def get_names(self, request: Request, headers: Headers) -> Response:
        async with self.lease() as loaded:
            return reply({"models": [loaded.name]}, loaded)

    async def get_v2_model(self, request: Request, headers: Headers) -> Response:
        async with self.lease() as loaded:
            check_name(request, loaded)
            return reply(metadata.v2_document(loaded), loaded)

    async def get_model_ready(self, request: Request, headers: Headers) -> Response:
        self.health()
        async with self.lease() as loaded:
            check_name(request, loaded)
            return reply({"name": loaded.name, "ready": True}, loaded)

    async def get_v2_ready(self, request: Request, headers: Headers) -> Response:
        self.health()
        return Response(encode({"ready": True}), media_type=JSON)

    async def get_constant(self, request: Request, headers: Headers, value: Any) -> Response:
        return Response(encode(value), media_type=JSON)

    async def get_health(self, request: Request, headers: Headers) -> Response:
        return self.health()

    async def get_version(self, request: Request, headers: Headers) -> Response:
        return Response(metadata.mlflow_version(), media_type="text/plain")

    async def get_document(self, request: Request, headers: Headers, build: Callable[[Loaded], Any]) -> Response:
        async with self.lease() as loaded:
            return reply(build(loaded), loaded)

    async def get_openapi(self, request: Request, headers: Headers) -> Response:
        from modelserve.http.docs import openapi  # when it is first asked for, as the page

        async with self.lease() as loaded:  # its profile may be read from the store
            return reply(await asyncio.to_thread(openapi.document, loaded, self.settings), loaded)

    async def get_root(self, request: Request, headers: Headers) -> Response:
        """A browser opens the page; whatever sends cells wants a prediction."""
        is_browser = headers.get(b"accept", b"").startswith(b"text/html") and not request.scope["query_string"]
        return await (self.get_page if is_browser and self.settings.docs else self.get_predict)(request, headers)

    async def get_page(self, request: Request, headers: Headers) -> Response:
        from modelserve.http.docs.page import PAGE, PAGE_HEADERS

        return Response(PAGE, media_type="text/html", headers=PAGE_HEADERS)

    async def get_metrics(self, request: Request, headers: Headers) -> Response:
        return metrics_reply(self.metrics)


def match_path(pattern: re.Pattern[str], path: str) -> re.Match[str] | None:
    return None if ENCODED_NEEDLESSLY.search(path) else pattern.fullmatch(path)


def v2_media_type(headers: Headers) -> str:
    size = headers.get(JSON_SIZE)
    if size is not None:
        if not size.isdigit() or len(size) > MAX_SIZE_DIGITS:
            raise MalformedRequest("Inference-Header-Content-Length must be the number of bytes of the JSON.")
        return binary_type(int(size))
    if headers.get(b"content-type", b"").startswith(BINARY.encode()) or media_type(headers) != JSON:
        raise UnsupportedMediaType(
            "V2 takes JSON, and JSON with binary tensors behind it whose length Inference-Header-Content-Length says."
        )
    return JSON


def check_name(request: Request, loaded: Loaded) -> None:
    """Raises NotFound unless the address is that of the active version."""
    name, version = named_version(sent_path(request))
    if name != loaded.name:
        raise NotFound(f"This server has the model {loaded.name}.")
    if version is not None and version != loaded.version:
        raise NotFound(f"This server has version {loaded.version} of the model.")


@lru_cache(maxsize=64)
def named_version(path: str) -> tuple[str | None, str | None]:
    """The model and the version that an address names, each None if it does not."""
    match = match_path(V2_MODEL, path) or match_path(V1_MODEL, path)
    found = match.groupdict() if match else {}
    name, version = (unquote(text) if text is not None else None for text in map(found.get, ("name", "version")))
    return name, version
