"""What both functions share: the request id, the headers of every answer, the clock, and the shape of every failure."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import time
import uuid
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from modelserve.active import Active
from modelserve.errors import NotReady, ServeError, TooSlow, body
from modelserve.loading import Loaded
from modelserve.metrics import Metrics
from modelserve.payloads.predictions import encode
from modelserve.settings import Settings

logger = logging.getLogger(__name__)

JSON: Final = "application/json"
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class Door:
    """What both functions share: the request id, the headers, the clock and the shape of every failure."""

    def __init__(self, settings: Settings, active: Active, metrics: Metrics) -> None:
        self.settings = settings
        self.active = active
        self.metrics = metrics
        # A random number of its own for each process, and a count: as unique as sixteen random bytes, in a tenth of the time.
        self._process_id = uuid.uuid4().hex[:16]
        self._requests = itertools.count()

    async def __call__(self, request: Request) -> Response:
        request_id = given_id(request) or f"{self._process_id}{next(self._requests):016x}"
        if not self.metrics.enabled:
            return await self.protected(request, request_id)
        started = time.perf_counter()
        response = await self.protected(request, request_id)
        route = route_name(request.scope["path"])
        self.metrics.count("requests", route=route, status=str(response.status_code))
        self.metrics.observe(time.perf_counter() - started, route)
        return response

    async def protected(self, request: Request, request_id: str) -> Response:
        try:
            try:
                response = await self.answer(request)
            except ServeError as error:
                response = failure(error, request_id)
            except ClientDisconnect:
                response = Response(status_code=499)  # nobody reads it; nginx's number for a client that went away
            self.sign(response, request_id)
        except Exception as error:
            logger.error("the server failed", exc_info=error, extra={"fields": {"request_id": request_id}})
            response = failure(error, request_id)
            with suppress(Exception):  # signing may be what failed
                self.sign(response, request_id)
        return response

    async def answer(self, request: Request) -> Response:
        raise NotImplementedError  # each door has its own

    def sign(self, response: Response, request_id: str) -> None:
        response.raw_headers.append((b"x-request-id", request_id.encode()))
        if isinstance(response, Reply):
            return
        loaded = self.active.current
        response.raw_headers += model_headers(loaded) if loaded else nobody(self.active.name)

    def health(self) -> Response:
        """503 until a version is active. Afterwards always 200: a version that fails never replaces one that works."""
        if self.active.current is None:
            raise NotReady(self.active.reason)
        return reply({"status": "ok"}, self.active.current)


class Budget:
    """The request's own deadline, as our own error."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await self._timeout.__aexit__(*raised)
        except TimeoutError:
            raise TooSlow(f"The request took longer than its budget of {self.seconds:g} s.") from None


class Reply(Response):
    """An answer of one version in JSON, which it names. Written without what a general response looks after."""

    def __init__(self, body: bytes, loaded: Loaded) -> None:
        self.body = body
        self.status_code = 200
        self.background = None
        length = (b"content-length", str(len(body)).encode())
        self.raw_headers = [length, (b"content-type", b"application/json"), *model_headers(loaded)]


def reply(value: Any, loaded: Loaded) -> Response:
    return Reply(encode(value), loaded)


def model_headers(loaded: Loaded) -> list[tuple[bytes, bytes]]:
    return [(b"x-model-name", header_value(loaded.name)), (b"x-model-version", header_value(loaded.version))]


def nobody(name: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-model-name", header_value(name)), (b"x-model-version", b"none")]


def header_value(text: str) -> bytes:
    """A header holds printable ASCII; anything else goes percent-encoded."""
    return (text if text.isascii() and text.isprintable() else quote(text, errors="replace")).encode()


def given_id(request: Request) -> str | None:
    """The caller's id of the request, when it has the form of one."""
    for name, value in request.scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return None


def failure(error: Exception, request_id: str) -> Response:
    status = error.status if isinstance(error, ServeError) else ServeError.status
    headers = error.headers if isinstance(error, ServeError) else {}
    return Response(encode(body(error, request_id)), status_code=status, media_type=JSON, headers=headers)


def route_name(path: str) -> str:
    """A few names only: a caller must not be able to grow the metrics."""
    first = "/".join(path.split("/")[:3])
    known = ("/predict", "/invocations", "/ping", "/health", "/health/live", "/metadata", "/v2/models", "/metrics")
    return first if first in known or path == "/" else "other"
