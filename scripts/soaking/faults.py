"""A proxy in front of the store that injects faults of networks and servers into a random share of the answers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

SHARE: Final = 0.1  # of the answers
HOP_BY_HOP: Final = ("connection", "transfer-encoding", "content-length")


@contextmanager
def run_faulty_proxy(upstream: str, seen: Counter[str]) -> Iterator[str]:
    """Yields its URL. `seen` counts the answers by kind of fault."""
    dice = random.Random(1)  # noqa: S311 - no security purpose

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind = dice.choice(("503", "reset", "broken")) if dice.random() < SHARE else "none"
            seen[kind] += 1
            status, headers, body = (503, {}, b"") if kind == "503" else self.forward()
            self.close_connection = kind in ("reset", "broken") or status == 0
            if kind == "reset" or status == 0:
                return
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if kind == "broken" else body)

        def forward(self) -> tuple[int, dict[str, str], bytes]:
            try:
                with closing(HTTPConnection(urlsplit(upstream).netloc, timeout=30)) as connection:
                    sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                    connection.request("GET", self.path, headers=sent)
                    answer = connection.getresponse()
                    kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
                    return answer.status, kept, answer.read()
            except (OSError, HTTPException):
                return 0, {}, b""

        def log_message(self, format: str, *args: object) -> None:
            return

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True  # the client has disconnected

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
