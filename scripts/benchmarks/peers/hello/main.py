"""The limit: functions-framework with a constant answer."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response


@functions_framework.aio.http
async def predict(request: Request) -> Response:
    await request.body()
    return Response(b'{"predictions":["no"]}', media_type="application/json")
