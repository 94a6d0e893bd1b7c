"""A small HTTP server of JSON: one function answers everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Answer = tuple[int, Any]
"""The status and a JSON value, of a redirect its address. The status 0 ends the connection without an answer."""


@contextmanager
def answering(answer: Callable[[str, str, Message, bytes], Answer]) -> Iterator[str]:
    """The address of a server, on a port of its own; `answer` gets method, path, headers and body."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, value = answer(self.command, self.path.partition("?")[0], self.headers, body)
            if status == 0:
                self.close_connection = True
                return
            text = json.dumps(value).encode()
            self.send_response_only(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            if status == HTTPStatus.FOUND:
                self.send_header("location", value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = handle_any

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
