"""Entry points of the two functions. Run them with functions-framework and FUNCTION_USE_ASGI=true."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from modelserve.server.direct import go_direct
from modelserve.server.process import Process

process = Process()


@functions_framework.aio.http
async def predict(request: Request) -> Response:
    """Score what is posted: docs/http.md."""
    go_direct(request.app, process.http)
    return await process.http.respond(request)


@functions_framework.aio.http
async def predict_event(request: Request) -> Response:
    """Score a Pub/Sub message and publish its predictions: docs/events.md."""
    go_direct(request.app, process.events)
    return await process.events.respond(request)
