from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response

from modelserve.http.cross_origin import CrossOrigin

ALLOWED = "https://app.example/, https://other.example"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}


def send(origins: str, method: str = "POST", **headers: str) -> Response:
    async def endpoint(request: Request) -> Response:
        return Response(b"answer")

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/predict", "headers": given}
    return asyncio.run(CrossOrigin(endpoint, origins).respond(Request(scope)))


@pytest.mark.parametrize("origin", ["https://app.example", "https://other.example"])
def test_an_origin_of_the_list_reads_the_answer_and_its_headers(origin: str) -> None:
    response = send(ALLOWED, origin=origin)
    assert response.body == b"answer"
    assert response.headers["access-control-allow-origin"] == origin
    for name in ("X-Model-Version", "Inference-Header-Content-Length"):
        assert name in response.headers["access-control-expose-headers"]
    assert response.headers["vary"] == "Origin"


def test_a_preflight_is_answered_without_asking_the_model() -> None:
    response = send(ALLOWED, "OPTIONS", origin="https://app.example", **PREFLIGHT)
    assert (response.status_code, response.body) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert "POST" in response.headers["access-control-allow-methods"]
    for name in ("Authorization", "X-Prediction-Id"):
        assert name in response.headers["access-control-allow-headers"]
    assert send(ALLOWED, "OPTIONS", origin="https://app.example").body == b"answer"


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_another_origin_is_allowed_nothing(method: str) -> None:
    response = send(ALLOWED, method, origin="https://evil.example", **PREFLIGHT)
    assert "access-control-allow-origin" not in response.headers


def test_every_origin_may_be_allowed_and_a_caller_without_one_gets_its_answer() -> None:
    assert send("*", origin="https://any.example").headers["access-control-allow-origin"] == "*"
    assert send(ALLOWED).body == b"answer"
    assert "access-control-allow-origin" not in send(ALLOWED).headers
