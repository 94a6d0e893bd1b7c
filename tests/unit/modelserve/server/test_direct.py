"""Past the framework's layers a request gets the answer that it gets behind them, to the byte."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import pytest
from functions_framework import aio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.http.app import Http
from modelserve.server.direct import Direct, go_direct
from signatures import signature
from tiny import Holding, Tiny, loaded

Messages = list[dict[str, Any]]
BEHIND, PAST = True, False
# What the framework adds to the head of each request that comes by it.
MARK = b"function-execution-id"

POSTS = [
    ("/predict", b'{"x": 1}'),
    ("/", b'[{"x": 1}, {"x": 2}]'),
    ("/predict?predict_method=predict", b'{"x": 1}'),
    ("/predict?predict_method=other", b'{"x": 1}'),
    ("/invocations", b'{"dataframe_split": {"columns": ["x"], "data": [[1]]}}'),
    ("/predict", b'{"x": "much"}'),
    ("/predict", b'{"x": '),
    ("/health", b""),
    ("/nothing", b""),
    ("/%70redict", b'{"x": 1}'),
    ("/v2/models/tiny/infer", b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]}'),
    ("/v2/models/other/infer", b"{}"),
    ("/robots.txt", b""),
    ("/a%0Ab", b""),
]
OTHERS = [
    *((method, "/predict") for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND")),
    *(("GET", path) for path in ("/health", "/metadata", "/nothing", "/robots.txt", "/favicon.ico", "/a%0Ab")),
    ("HEAD", "/robots.txt"),
]


class Site:
    """The application that functions-framework makes of a function of ours. `came` says how each request came."""

    def __init__(self, endpoint: Http) -> None:
        self.came: list[bool] = []

        class Watched:
            async def respond(self, request: Request) -> Response:
                came.append(BEHIND if MARK in dict(request.scope["headers"]) else PAST)
                return await endpoint.respond(request)

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                came.append(BEHIND if MARK in dict(scope["headers"]) else PAST)
                await endpoint(scope, receive, send)

        came, watched = self.came, Watched()

        @aio.http
        async def predict(request: Request) -> Response:
            go_direct(request.app, watched)
            return await watched.respond(request)

        module = ModuleType("main")
        module.predict = predict  # type: ignore[attr-defined]  # what the framework looks for in a user's module
        make: Any = aio.create_asgi_app_from_module
        self.app: Starlette = make("predict", "main.py", None, module, None)

    async def ask(self, method: str, target: str, body: bytes = b"") -> Messages:
        sent: Messages = []
        path, _, query = target.partition("?")

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        scope = {
            "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "headers": [(b"x-request-id", b"r1"), (b"content-type", b"application/json")],
            "scheme": "http", "server": ("localhost", 80), "state": {},
        }  # fmt: skip
        await self.app(scope, receive, send)
        return sent


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FUNCTION_SIGNATURE_TYPE", "http")  # the framework sets it, for its own use
    with loaded(Tiny(), signature(x="double")) as made:
        holding: Any = Holding(made)
        yield Http(Settings.from_environ({}), holding, Metrics(enabled=False))


def answers(endpoint: Http, method: str, target: str, body: bytes = b"") -> tuple[Messages, Messages, list[bool]]:
    """Of a site's first request, the same after another one, and how that one came."""

    async def ask() -> tuple[Messages, Messages, list[bool]]:
        first, later = Site(endpoint), Site(endpoint)
        await later.ask("POST", *POSTS[0])
        later.came.clear()
        return await first.ask(method, target, body), await later.ask(method, target, body), later.came

    return asyncio.run(ask())


@pytest.mark.parametrize(("target", "body"), POSTS)
def test_a_post_past_the_framework_is_answered_as_behind_it(endpoint: Http, target: str, body: bytes) -> None:
    first, later, came = answers(endpoint, "POST", target, body)
    assert later == first
    assert came == ([] if "%0A" in target else [PAST])


@pytest.mark.parametrize(("method", "target"), OTHERS)
def test_what_the_framework_may_answer_itself_goes_by_it(endpoint: Http, method: str, target: str) -> None:
    first, later, came = answers(endpoint, method, target)
    assert sorted_allow(later) == sorted_allow(first)
    assert PAST not in came


def sorted_allow(messages: Messages) -> Messages:
    """starlette lists the methods of a set, in an order of each route's own."""
    for message in messages[:1]:
        message["headers"] = [
            (name, sorted(value.split(b", ")) if name == b"allow" else value) for name, value in message["headers"]
        ]
    return messages


def test_requests_behind_the_framework_do_not_lengthen_the_way(endpoint: Http) -> None:
    async def ask() -> Starlette:
        site = Site(endpoint)
        for _ in range(2):
            await site.ask("GET", "/health")
        return site.app

    stack = asyncio.run(ask()).middleware_stack
    assert isinstance(stack, Direct)
    assert not isinstance(stack.framework, Direct)
