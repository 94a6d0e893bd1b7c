"""functions-framework with a constant answer, which decodes the body with the usual library first."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import functions_framework.aio
import pyarrow.parquet as pq
from starlette.requests import Request
from starlette.responses import Response

READERS: dict[str, Callable[[bytes], Any]] = {
    "application/json": json.loads,
    "application/octet-stream": bytes,
    "text/csv": lambda body: list(csv.reader(io.StringIO(body.decode()))),
    "application/vnd.apache.parquet": lambda body: pq.read_table(io.BytesIO(body), use_threads=False),
}


@functions_framework.aio.http
async def predict(request: Request) -> Response:
    READERS[request.headers["content-type"]](await request.body())
    return Response(b'{"predictions":["no"]}', media_type="application/json")
