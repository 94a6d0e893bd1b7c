"""A small HTTP server of a test's own: one function answers everything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from email.message import Message
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

Headers = Mapping[str, str] | Message
Answer = tuple[int, Headers, bytes]
"""Status, headers and body; the length is added. The status 0 ends the connection without an answer."""

HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")
"""What a proxy does not pass on, since it is about one connection."""

GONE: Answer = (0, {}, b"")
WAIT_SECONDS = 120.0  # for what another process does, which may have yet to start


class Handler(BaseHTTPRequestHandler, ABC):
    """Says nothing on stderr, not even of a client that goes away: some tests kill theirs."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) == length:
            self.reply(*self.answer(body))
        else:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    @abstractmethod
    def answer(self, body: bytes) -> Answer: ...

    def reply(self, status: int, headers: Headers, body: bytes, sent: int | None = None) -> None:
        """With `sent` so many bytes of the body, and then the connection ends."""
        self.close_connection |= status == 0 or sent is not None
        if status == 0:
            return
        try:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:sent])
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def http_server(handler: type[Handler]) -> Iterator[str]:
    """Its address, on a port of its own. What still holds a request must be let go first."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(answer: Callable[[str, str, Message, bytes], Answer]) -> Iterator[str]:
    """A server of which `answer` gets method, target, headers and body of every request, in threads."""

    class Answering(Handler):
        def answer(self, body: bytes) -> Answer:
            return answer(self.command, self.path, self.headers, body)

    with http_server(Answering) as url:
        yield url


def passed(upstream: str, method: str, target: str, headers: Message, body: bytes) -> tuple[int, Message, bytes]:
    """What the server at `upstream` answers, for a proxy. Raises OSError and HTTPException as http.client does."""
    sent = {name: value for name, value in headers.items() if name.lower() not in HOP}
    with closing(HTTPConnection(urlsplit(upstream).netloc, timeout=WAIT_SECONDS)) as connection:
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        content = answer.read()
    for name in HOP:
        del answer.headers[name]
    return answer.status, answer.headers, content
