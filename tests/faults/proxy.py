"""An HTTP proxy in front of a storage server that fails as it is told. Faults are data, and each must be consumed."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote, urlsplit

HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Fault:
    """What happens to the next `times` requests whose decoded method and target match `where`.

    kind: return-N (that status), reset (close without an answer), break-after-N (N bytes of the body, then close),
    stall-after-N (N bytes, then silence until the proxy stops), corrupt (first byte of the body), corrupt-resume
    (the same, but only when the request has a Range that does not start at 0), no-hash (without X-Goog-Hash),
    surplus (one byte more than asked), drop-answer (the request arrives, its answer does not), call (run `action`, then pass).
    """

    kind: str
    where: str = "alt=media"
    times: int = 1
    action: Callable[[], object] | None = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what the tests are about."""


@dataclass
class Proxy:
    upstream: str
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Proxy:
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        left = [f"{fault.times} x {fault.kind} at {fault.where}" for fault in self.faults if fault.times > 0]
        if kind is None:
            assert not left, f"faults that never happened: {left}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, faults: Iterable[Fault]) -> None:
        self.faults.extend(faults)

    def count(self, where: str) -> int:
        return sum(bool(re.search(where, line)) for line in self.log)

    def take(self, line: str) -> Fault | None:
        with self._lock:
            self.log.append(line)
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.where, line):
                    fault.times -= 1
                    return fault
        return None

    def wait_over(self) -> None:
        self.stalled.set()
        self._over.wait(60)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                return

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                fault = proxy.take(f"{self.command} {unquote(self.path)} {self.headers.get('range', '')}".strip())
                kind = fault.kind if fault else "pass"
                if fault and fault.action:
                    fault.action()
                if kind == "reset":
                    self.close_connection = True
                else:
                    self._answer(kind, body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

            def _answer(self, kind: str, body: bytes) -> None:
                try:
                    if found := re.fullmatch(r"return-(\d+)", kind):
                        self._send(int(found[1]), [], b'{"error": {"message": "told to"}}')
                    else:
                        self._pass(kind, body)
                except OSError:  # the client or the server went away, which is what some tests are about
                    self.close_connection = True

            def _pass(self, kind: str, body: bytes) -> None:
                host = urlsplit(proxy.upstream)
                upstream = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
                headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP}
                upstream.request(self.command, self.path, body, headers)
                answer = upstream.getresponse()
                content = answer.read()
                upstream.close()
                pairs = [(key, value) for key, value in answer.getheaders() if key.lower() not in HOP]
                self._alter(kind, answer.status, pairs, content)

            def _alter(self, kind: str, status: int, pairs: list[tuple[str, str]], content: bytes) -> None:
                resumed = not self.headers.get("range", "bytes=0-").startswith("bytes=0-")
                if kind == "no-hash":
                    pairs = [pair for pair in pairs if pair[0].lower() != "x-goog-hash"]
                if content and (kind in ("corrupt", "no-hash") or (kind == "corrupt-resume" and resumed)):
                    content = bytes([content[0] ^ 1]) + content[1:]
                if kind == "surplus":
                    content += b"!"
                if kind == "drop-answer":
                    self.close_connection = True
                    return
                cut = re.fullmatch(r"(break|stall)-after-(\d+)", kind)
                self._send(status, pairs, content, int(cut[2]) if cut else None)
                if cut and cut[1] == "stall":
                    proxy.wait_over()

            def _send(self, status: int, pairs: list[tuple[str, str]], content: bytes, cut: int | None = None) -> None:
                self.send_response_only(status)
                for key, value in pairs:
                    self.send_header(key, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content if cut is None else content[:cut])
                self.wfile.flush()
                if cut is not None:
                    self.close_connection = True

        return Handler


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)
