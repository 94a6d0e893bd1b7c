"""A real HTTP endpoint for pushes: notes what comes and answers with the statuses it was given."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Push:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> Any:
        return self.json["message"]


class Endpoint:
    """`statuses` are the answers, one after the other; the last one goes on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.statuses = [204]
        self.hold = threading.Event()
        self.hold.set()
        self._pushes: queue.Queue[Push] = queue.Queue()

    def next(self) -> Push:
        """The next push, as soon as it comes."""
        return self._pushes.get(timeout=30)

    @property
    def quiet(self) -> bool:
        """No push has come that `next` has not given."""
        return self._pushes.empty()

    def answer(self, push: Push) -> int:
        self._pushes.put(push)
        self.hold.wait(60)
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def running() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(endpoint.answer(Push(self.path, headers, body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield endpoint
        finally:
            endpoint.hold.set()
            server.shutdown()
