"""The web server of the console, and who may ask it."""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from dash import Dash
from flask import Response, abort, request
from werkzeug.serving import BaseWSGIServer, make_server

from modelserve.core.errors import BadSetting
from modelserve_control.common.processes import check_port
from modelserve_control.console.app import build_app
from modelserve_control.console.options import ConsoleOptions

ORIGIN: Final = re.compile(r"https?://[^/?#@\s]+")
HEADERS: Final = {
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def listen(host: str, port: int, origins: tuple[str, ...], given: Mapping[str, Any]) -> tuple[BaseWSGIServer, str]:
    """The server, which answers once it is served, and its address."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
    server = make_server(host, check_port(host, port), lambda *_: [], threaded=True)
    if wrong := [origin for origin in origins if not ORIGIN.fullmatch(origin)]:
        raise BadSetting(f"--origin {wrong[0]} is not the origin of an address, like https://HOST or http://HOST:PORT.")
    here = tuple(f"http://{name}:{server.port}" for name in ("127.0.0.1", "localhost"))
    app = build_app(ConsoleOptions(origins=(*here, *origins), **given))
    guard(app, (*here, *origins))
    server.app = app.server
    return server, (origins or here)[0]


def guard(app: Dash, origins: tuple[str, ...]) -> None:
    """A page of another origin asks nothing, also not by a name that it makes point here, and shows this one in no frame."""
    hosts = {urlsplit(origin).netloc for origin in origins}
    policy = content_policy(app)

    def refuse_others() -> None:
        if request.host not in hosts:
            abort(Response(f"This console is at {', '.join(origins)}; --origin names another address of it.", 421))
        if request.method == "POST" and request.headers.get("origin") not in origins:
            abort(403)

    def add_headers(response: Response) -> Response:
        response.headers.update({**HEADERS, "content-security-policy": policy})
        return response

    app.server.before_request(refuse_others)
    app.server.after_request(add_headers)


def content_policy(app: Dash) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {' '.join(app.csp_hashes())}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "frame-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )
