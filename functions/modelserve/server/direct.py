"""The way of a request through functions-framework, and past it.

The framework calls a function behind five layers of Starlette, which take a third of the processor time of an answer to
one row. An endpoint needs none of them: it is an ASGI application itself, and answers whatever fails. So with the first
request it takes their place for all that they would only pass on to it. They still get the others.
"""

from collections.abc import Awaitable
from typing import Final

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

METHOD: Final = "POST"  # of other methods the framework answers some itself, as GET /robots.txt


class Direct:
    """In place of the framework's layers."""

    def __init__(self, framework: ASGIApp, endpoint: ASGIApp) -> None:
        self.framework = framework
        self.endpoint = endpoint

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Its routes match no line break.
        is_direct = scope["type"] == "http" and scope["method"] == METHOD and "\n" not in scope["path"]
        return (self.endpoint if is_direct else self.framework)(scope, receive, send)


def go_direct(app: Starlette, endpoint: ASGIApp) -> None:
    if app.middleware_stack is not None and not isinstance(app.middleware_stack, Direct):
        app.middleware_stack = Direct(app.middleware_stack, endpoint)
