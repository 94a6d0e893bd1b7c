"""Where a state is kept: Terraform's `http` backend writes it once, and a file beside the configuration for each resource."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(slots=True)
class StateStore:
    address: str
    states: dict[str, bytes]


@contextmanager
def serve_states() -> Iterator[StateStore]:
    states: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(states.get(self.path))

        def do_POST(self) -> None:
            states[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(b"")

        def answer(self, body: bytes | None) -> None:
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield StateStore(f"http://127.0.0.1:{server.server_port}", states)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
