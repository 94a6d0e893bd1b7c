"""Cross-origin requests of browsers: https://fetch.spec.whatwg.org/#http-cors-protocol. Only where CORS_ORIGINS allows some."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EXPOSED: Final = (
    "Inference-Header-Content-Length, Retry-After, X-Model-Name, X-Model-Version, X-Request-Id, X-Unknown-Categories"
)
TAKEN: Final = (
    "Authorization, Content-Encoding, Content-Type, Inference-Header-Content-Length, X-Prediction-Id, X-Request-Id"
)
ALLOWED: Final = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": TAKEN,
    "access-control-max-age": "600",
}

Respond = Callable[[Request], Awaitable[Response]]


class CrossOrigin:
    """In place of an endpoint. No cookies: who calls says so with a token."""

    def __init__(self, answer: Respond, origins: str) -> None:
        self.answer = answer
        self.origins = frozenset(filter(None, (origin.strip().rstrip("/") for origin in origins.split(","))))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is None:
            response = await self.answer(request)
        elif request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            response = Response(status_code=HTTPStatus.NO_CONTENT, headers=ALLOWED)
        else:
            response = await self.answer(request)
            response.headers["access-control-expose-headers"] = EXPOSED
        if "*" in self.origins:
            response.headers["access-control-allow-origin"] = "*"
            return response
        response.headers.append("vary", "Origin")
        if origin in self.origins and origin is not None:
            response.headers["access-control-allow-origin"] = origin
        return response
