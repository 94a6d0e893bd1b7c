"""What both functions share: the request id, the headers of every answer, the clock, and the shape of every failure."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from modelserve.core.errors import ModelFailed, ModelNotReady, ServeError, body
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.http.bodies import Headers
from modelserve.http.deadline import ModelLease
from modelserve.models.active import ActiveModel
from modelserve.models.version import Loaded, header_value
from modelserve.payloads.binary_tensors import Encoded
from modelserve.payloads.decode import BINARY, JSON, JSON_SIZE
from modelserve.payloads.predictions import encode

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = (b"content-type", JSON.encode())
KSERVE: Final = ("/v1/models", "/v2")
STARTED: Final = "modelserve.started"  # in the scope of a request, by the clock of performance
MAX_LOGGED_COLUMNS: Final = 20  # of a request
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class Endpoint(ABC):
    """An ASGI application. It needs nothing of the host around it: whatever fails, its client is answered."""

    def __init__(self, settings: Settings, active: ActiveModel, metrics: Metrics) -> None:
        self.settings = settings
        self.active = active
        self.metrics = metrics
        # A random number of its own for each process, and a count: as unique as a random one, and nothing is asked of the system.
        self._process_id = uuid.uuid4().hex[:16].encode()
        self._requests = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        headers = dict(request.scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = headers[b"x-request-id"] = b"%s%016x" % (self._process_id, next(self._requests))
        started = request.scope[STARTED] = time.perf_counter()
        try:
            try:
                response = await self.answer(request, headers)
            except ServeError as error:
                self.log_failure(error, request_id)
                response = failure(error, request_id, sent_path(request))
            except ClientDisconnect:
                response = Response(status_code=499)  # nobody reads it; nginx's number for a client that went away
            self.add_response_headers(response, request_id)
        except Exception as error:
            logger.error("the server failed", exc_info=error, extra={"fields": {"request_id": request_id.decode()}})
            response = failure(error, request_id, sent_path(request))
            with suppress(Exception):  # signing may be what failed
                self.add_response_headers(response, request_id)
        if self.metrics.enabled:
            route = route_name(sent_path(request))
            self.metrics.count("requests", route=route, status=str(response.status_code))
            self.metrics.observe(time.perf_counter() - started, route)
        return response

    def log_failure(self, error: ServeError, request_id: bytes) -> None:
        """One line for a refused request, with the columns of the model that were wrong, and one for a model that failed:
        what it raised stands in a line of its scorer's. Whoever finds another failure logs it."""
        fields: dict[str, Any] = {"request_id": request_id.decode(), "error_code": error.code}
        if isinstance(error, ModelFailed):
            logger.warning("%s", error.message, extra={"fields": fields})
        elif error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            signature = self.active.current and self.active.current.signature
            known = signature.names if signature else ()
            wrong = {detail.get("column") for detail in error.details}
            fields |= {
                "status": int(error.status),
                "columns": [name for name in known if name in wrong][:MAX_LOGGED_COLUMNS],
            }
            logger.info("a request was refused", extra={"fields": fields})

    def lease(self, seconds: float | None = None) -> ModelLease:
        return ModelLease(self.active, seconds or self.settings.predict_timeout_seconds, self.loop)

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    @abstractmethod
    def answer(self, request: Request, headers: Headers) -> Awaitable[Response]:
        """Raises a ServeError for whatever cannot be answered."""

    def add_response_headers(self, response: Response, request_id: bytes) -> None:
        response.raw_headers.append((b"x-request-id", request_id))
        if isinstance(response, Reply):
            return
        loaded = self.active.current
        response.raw_headers += loaded.headers if loaded else no_model_headers(self.active.name)

    def health(self) -> Response:
        """503 until a version is active, and once the process is to end. Between them always 200: a version that fails
        never replaces one that works."""
        if self.active.current is None or self.active.draining:
            raise ModelNotReady(self.active.reason)
        return reply({"status": "ok"}, self.active.current)


class Reply(Response):
    """An answer of one version in JSON, which it names. Written without what a general response looks after."""

    unknown_categories: Sequence[int] = ()  # the cells of each row; empty if there are none
    json_size = b""  # of binary tensors: the length of the JSON before them, as the header says it

    def __init__(self, body: bytes, loaded: Loaded) -> None:
        self.body = body
        self.status_code = 200
        self.background = None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), CONTENT_TYPE, *loaded.headers]


def reply(value: Any, loaded: Loaded) -> Reply:
    if isinstance(value, Encoded):
        response = Reply(value.body, loaded)
        response.raw_headers[1] = (b"content-type", BINARY.encode())
        response.json_size = b"%d" % value.json_size
        response.raw_headers.append((JSON_SIZE, response.json_size))
        return response
    return Reply(encode(value), loaded)


def metrics_reply(metrics: Metrics) -> Response:
    return Response(metrics.text(), media_type="text/plain; version=0.0.4")


def no_model_headers(name: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-model-name", header_value(name)), (b"x-model-version", b"none")]


def failure(error: Exception, request_id: bytes, path: str) -> Response:
    status = error.status if isinstance(error, ServeError) else ServeError.status
    headers = error.headers if isinstance(error, ServeError) else {}
    content: Mapping[str, Any] = body(error, request_id.decode())
    if path.startswith(KSERVE):  # their clients read this field alone
        content = {"error": content["message"], **content}
    return Response(encode(content), status_code=status, media_type=JSON, headers=headers)


def sent_path(request: Request) -> str:
    """The path as it was sent. A proxy's rules hold for one spelling of an address, so that no other is answered.

    `scope["path"]` is decoded, and `request.url` is made of what the Host header says.
    """
    return str(request.scope["raw_path"], "latin-1")


def route_name(path: str) -> str:
    """A few names only: a caller must not be able to grow the metrics."""
    first = "/".join(path.split("/")[:3])
    known = ("/predict", "/invocations", "/ping", "/health", "/health/live", "/metadata", "/v2/models", "/metrics")
    return first if first in known or path == "/" else "other"
