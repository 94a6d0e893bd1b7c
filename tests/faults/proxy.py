"""An HTTP proxy in front of a storage server that fails as it is told. Faults are data, and each must be consumed."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import Message
from types import TracebackType
from urllib.parse import unquote

from http_server import GONE, Answer, Handler, Headers, http_server, passed


@dataclass
class Fault:
    """What happens to the next `times` requests whose decoded method and target match `where`.

    kind: return-N (that status), reset (close without an answer), half-headers (a few headers, then close), break-after-N (N bytes of the body, then close),
    stall-after-N (N bytes, then silence until the proxy stops), corrupt (first byte of the body), corrupt-resume
    (the same, but only when the request has a Range that does not start at 0), no-hash (without X-Goog-Hash),
    drip-after-N (N bytes, then one every twentieth of a second, for ten seconds: `dripped` when somebody took all of them),
    surplus (one byte more than asked), missing (one byte less, as if that were all), md5-only (corrupt, and told with an MD5
    alone), packed (with gzip, and says so), no-crc32c (a listing without them), drop-answer (the request arrives, its answer
    does not), call (run `action`, then pass).
    """

    kind: str
    where: str = "alt=media"
    times: int = 1
    action: Callable[[], object] | None = None


@dataclass
class Proxy:
    upstream: str
    url: str = field(default="", init=False)
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    dripping: threading.Event = field(default_factory=threading.Event)
    dripped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Proxy:
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._exit = ExitStack()
        self.url = self._exit.enter_context(http_server(self._handler()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._exit.close()
        left = [f"{fault.times} x {fault.kind} at {fault.where}" for fault in self.faults if fault.times > 0]
        if kind is None:
            assert not left, f"faults that never happened: {left}"

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

    def _handler(self) -> type[Handler]:
        proxy = self

        class Faulty(Handler):
            def answer(self, body: bytes) -> Answer:
                fault = proxy.take(f"{self.command} {unquote(self.path)} {self.headers.get('range', '')}".strip())
                self.kind = fault.kind if fault else "pass"
                if fault and fault.action:
                    fault.action()
                if self.kind == "reset":
                    return GONE
                if found := re.fullmatch(r"return-(\d+)", self.kind):
                    return int(found[1]), {}, b'{"error": {"message": "told to"}}'
                try:
                    return self._altered(*passed(proxy.upstream, self.command, self.path, self.headers, body))
                except OSError:  # the server went away, which is what some tests are about
                    return GONE

            def _altered(self, status: int, headers: Message, content: bytes) -> Answer:
                resumed = not self.headers.get("range", "bytes=0-").startswith("bytes=0-")
                if self.kind == "no-hash":
                    del headers["x-goog-hash"]
                if self.kind == "md5-only":
                    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
                    del headers["x-goog-hash"]
                    headers["x-goog-hash"] = f"md5={md5}"
                corrupt = self.kind in ("corrupt", "no-hash", "md5-only") or (self.kind == "corrupt-resume" and resumed)
                if content and corrupt:
                    content = bytes([content[0] ^ 1]) + content[1:]
                if self.kind == "surplus":
                    content += b"!"
                if self.kind == "missing":
                    content = content[:-1]
                if self.kind == "no-crc32c":
                    content = re.sub(rb'"crc32c":\s*"[^"]*",?', b"", content)
                if self.kind == "packed":
                    content = gzip.compress(content)
                    headers["content-encoding"] = "gzip"
                return GONE if self.kind == "drop-answer" else (status, headers, content)

            def reply(self, status: int, headers: Headers, body: bytes, sent: int | None = None) -> None:
                if self.kind == "half-headers":
                    self.close_connection = True
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nx-goog-generation: 1\r\nx-goog-ha")
                    return
                cut = re.fullmatch(r"(break|stall|drip)-after-(\d+)", self.kind)
                super().reply(status, headers, body, int(cut[2]) if cut else None)
                if cut and cut[1] == "stall":
                    proxy.wait_over()
                if cut and cut[1] == "drip":
                    self._drip(body[int(cut[2]) :][:200])

            def _drip(self, rest: bytes) -> None:
                proxy.dripping.set()
                try:
                    for byte in rest:
                        self.wfile.write(bytes([byte]))
                        if proxy._over.wait(0.05):
                            return
                except OSError:  # the other side gave up
                    return
                proxy.dripped.set()

        return Faulty


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)
