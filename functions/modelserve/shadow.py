"""The shadow, seen from the server: a process of its own that is offered answers once they are made, and never waited for.

A sampled answer goes to it as one message on a socket that never blocks; what does not fit is dropped and counted. What
the process does with it is in `shadow_process`. It may crash, hang or be slow: no answer depends on it.
"""

from __future__ import annotations

import logging
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from modelserve.envelopes import Message
from modelserve.http import Http
from modelserve.loading import Loaded, header_value
from modelserve.metrics import Metrics
from modelserve.results import Result
from modelserve.settings import Settings

logger = logging.getLogger(__name__)

# Bytes of a request and its answer together: many times a request of one row. What is larger takes the socket's room from
# many others.
MOST_BYTES: Final = 64 << 10
LONGEST: Final = 2 * MOST_BYTES  # of a message, with its names
ROOM: Final = 1 << 20  # bytes that the kernel may hold for the shadow, where its own limit allows them
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0  # seconds between two starts
# Seconds in which offers are made and not one is taken before the process counts as hung: it takes them also while it
# loads, and a request may keep it for its budget.
PATIENCE: Final = 60.0
GRACE: Final = 3.0  # seconds for its last lines; the server itself has ten from SIGTERM to SIGKILL
SENT, FULL, TOO_LARGE, AWAY = "sent", "full", "too_large", "away"
# The host has put this package's directory on its path; a new interpreter is told.
START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from modelserve.shadow_process import main; sys.exit(main(int(sys.argv[2])))"
)


class Offer(msgspec.Struct, array_like=True, gc=False):
    """One request and its answer, which names model and version as headers do. `event`: the body is the message's data, the answer a list of prediction events."""

    event: bool
    method: str
    path: str
    query: bytes
    content_type: bytes
    body: bytes
    answer: bytes
    model: str
    version: str
    request_id: str
    dropped: int = 0
    """By the server since it started."""


encoder = msgspec.msgpack.Encoder()


class Shadow:
    """`offer` is for the server's loop; a thread starts the process with the first one, and starts it again when it ends.

    So nothing waits for the challenger when an instance starts: there was an answer before.
    """

    def __init__(self, settings: Settings, metrics: Metrics, patience: float = PATIENCE) -> None:
        self.share = settings.shadow_percent / 100
        self.metrics = metrics
        self.patience = patience + settings.predict_timeout_seconds
        self.sent = self.dropped = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()  # nothing is sent on a socket that is being closed: its number may be another's
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def chosen(self) -> bool:
        return random.random() < self.share  # noqa: S311 - a sample, not a secret

    def offer(self, offer: Offer) -> None:
        try:
            outcome = self._send(offer)
        except Exception:  # whatever it is, the loop would log what it was called with, which is what came in
            outcome = AWAY
        self.count(outcome)

    def count(self, outcome: str) -> None:
        if outcome == SENT:
            self.sent += 1
        else:
            self.dropped += 1
        self.metrics.count("shadow", outcome=outcome)

    def _send(self, offer: Offer) -> str:
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="shadow", daemon=True)
            self._thread.start()
        offer.dropped = self.dropped
        data = encoder.encode(offer)
        if len(data) > LONGEST:
            return TOO_LARGE
        with self._lock:
            if self._socket is None:
                return AWAY
            try:
                self._socket.send(data)
            except BlockingIOError:
                return FULL
            except OSError:  # it ended, and its keeper does not know yet
                return AWAY
        return SENT

    def stop(self) -> None:
        """Its last lines are waited for, but not long."""
        self._stopped.set()
        with self._lock:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(GRACE + 1)

    # --- the keeper's thread ---

    def _keep(self) -> None:
        pause = FIRST_BACKOFF
        while not self._stopped.is_set():
            began = time.monotonic()
            status: int | None = None
            try:
                status = self._run()
            except OSError as error:
                logger.error("the shadow cannot be started", exc_info=error)
            if self._stopped.is_set():
                return
            if time.monotonic() - began > LONGEST_BACKOFF:
                pause = FIRST_BACKOFF
            logger.warning("the shadow ended", extra={"fields": {"status": status, "again_in_seconds": pause}})
            self._stopped.wait(pause)
            pause = min(2 * pause, LONGEST_BACKOFF)

    def _run(self) -> int:
        """One process from its start to its end. Its status."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
            handle = theirs.fileno()
            command = [sys.executable, "-c", START, str(Path(__file__).parents[1]), str(handle)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[handle])  # noqa: S603 - this interpreter, and our own module
        with self._lock:
            self._socket, self.process = ours, process
        try:
            if not self._stopped.is_set():
                self._watch(ours)
        finally:
            with self._lock:
                self._socket = None
                ours.close()
        with suppress(subprocess.TimeoutExpired):
            return process.wait(GRACE)
        process.kill()
        return process.wait()

    def _watch(self, ours: socket.socket) -> None:
        """Until it ends, or the server does, or it takes nothing any more."""
        hung_up = select.poll()
        hung_up.register(ours, 0)  # both ends' closing is always told
        sent, dropped = self.sent, self.dropped
        while not hung_up.poll(self.patience * 1_000):
            if self.sent == sent and self.dropped > dropped:
                logger.error("the shadow takes nothing any more")
                return
            sent, dropped = self.sent, self.dropped


class Shadowed:
    """The HTTP door, with a share of its predictions offered to the shadow."""

    def __init__(self, door: Http, shadow: Shadow) -> None:
        self.door = door
        self.shadow = shadow
        self.paths = frozenset(path for path, handlers in door.routes.items() if "POST" in handlers)

    async def __call__(self, request: Request) -> Response:
        path = request.scope["path"]
        if not (path in self.paths or path.endswith("/infer")) or not self.shadow.chosen():
            return await self.door(request)
        chunks: list[bytes] = []

        async def receive() -> Any:
            message = await request.receive()
            chunks.append(message.get("body", b""))
            return message

        response = await self.door(Request(request.scope, receive))
        if response.status_code == 200 and request.method != "HEAD":
            # In the loop's next turn, when the host has the answer.
            self.door.loop.call_soon(self.offer, request.scope, chunks, response)
        return response

    def offer(self, scope: Any, chunks: Sequence[bytes], response: Response) -> None:
        size = sum(map(len, chunks)) + len(scope["query_string"]) + len(response.body)
        if size > MOST_BYTES:
            self.shadow.count(TOO_LARGE)
            return
        asked, answered = dict(scope["headers"]), dict(response.raw_headers)
        self.shadow.offer(
            Offer(
                event=False,
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"],
                content_type=asked.get(b"content-type", b""),
                body=b"".join(chunks),
                answer=bytes(response.body),
                model=answered[b"x-model-name"].decode(),
                version=answered[b"x-model-version"].decode(),
                request_id=answered[b"x-request-id"].decode(),
            )
        )


def offer_event(shadow: Shadow, loaded: Loaded, message: Message, results: Sequence[Result]) -> None:
    """What was scored and published of a message."""
    if not results or not shadow.chosen():
        return
    if len(message.data) + sum(len(result.body) for result in results) > MOST_BYTES:
        shadow.count(TOO_LARGE)
        return
    shadow.offer(
        Offer(
            event=True,
            method="",
            path="",
            query=b"",
            content_type=b"",
            body=message.data,
            answer=b"[" + b",".join(result.body for result in results) + b"]",
            model=header_value(loaded.name).decode(),
            version=header_value(loaded.version).decode(),
            request_id=message.message_id.encode(errors="replace").decode(),
        )
    )
