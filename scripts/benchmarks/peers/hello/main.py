"""The limit: the host itself, answering a constant."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response


@functions_framework.aio.http
async def predict(request: Request) -> Response:
    await request.body()
    return Response(b'{"predictions":["no"]}', media_type="application/json")
