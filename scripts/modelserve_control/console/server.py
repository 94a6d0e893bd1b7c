"""The web server of the console, and who may ask it."""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from dash import Dash
from flask import Response, abort, request
from werkzeug.serving import BaseWSGIServer, make_server

from modelserve.core.errors import BadSetting
from modelserve_control.common.processes import check_port
from modelserve_control.console.app import build_app
from modelserve_control.console.options import ConsoleOptions

PORTS: Final = {"http": "80", "https": "443"}
ORIGIN: Final = re.compile(r"(https?)://([^/?#@\s]+?)(?::([0-9]+))?")
MAX_BODY: Final = 16 << 20  # bytes of a request; the largest is a row with an image
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
    origins = tuple(check_origin(origin) for origin in origins)
    here = tuple(f"http://{name}:{server.port}" for name in ("127.0.0.1", "localhost"))
    app = build_app(ConsoleOptions(origins=(*here, *origins), **given))
    guard(app, (*here, *origins))
    server.app = app.server
    return server, (origins or here)[0]


def check_origin(text: str) -> str:
    """As a browser sends it. Raises BadSetting."""
    if (origin := normalise(text)) is None:
        raise BadSetting(f"--origin {text} is not the origin of an address, like https://HOST or http://HOST:PORT.")
    return origin


def normalise(text: str) -> str | None:
    """In lower case and without the default port of its scheme; None if it is not an origin."""
    match = ORIGIN.fullmatch(text.lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" if port in (None, PORTS[scheme]) else f"{scheme}://{host}:{port}"


def guard(app: Dash, origins: tuple[str, ...]) -> None:
    """A page of another origin asks nothing, also not by a name that it makes point here, and shows this one in no frame."""
    policy = content_policy(app)

    def refuse_others() -> None:
        if not any(normalise(f"{scheme}://{request.host}") in origins for scheme in PORTS):
            abort(Response(f"This console is at {', '.join(origins)}; --origin names another address of it.", 421))
        if request.method == "POST" and normalise(request.headers.get("origin", "")) not in origins:
            abort(403)

    def add_headers(response: Response) -> Response:
        response.headers.update({**HEADERS, "content-security-policy": policy})
        return response

    app.server.config["MAX_CONTENT_LENGTH"] = MAX_BODY
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
