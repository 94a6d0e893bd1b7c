"""Entry points of the two functions. Run them with functions-framework and FUNCTION_USE_ASGI=true."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from modelserve.server.process import Process

process = Process()


@functions_framework.aio.http
async def predict(request: Request) -> Response:
    """Score what is posted: docs/http.md."""
    return await process.http(request)


@functions_framework.aio.http
async def predict_event(request: Request) -> Response:
    """Score a Pub/Sub message and publish its predictions: docs/events.md."""
    return await process.events(request)
