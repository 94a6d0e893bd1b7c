"""The shadow, seen from the server: a process of its own that is offered answers once they are made, and never waited for.

Sampled answers are collected for some milliseconds and go to it as one message on a socket that never blocks: for one
answer the sending costs many times what is sent. What does not fit is dropped and counted. What the process does with it
is in `process`. It may crash, hang or be slow: no answer depends on it.
"""

from __future__ import annotations

import asyncio
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
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.envelopes import Message
from modelserve.events.results import Result
from modelserve.http.bodies import Headers
from modelserve.models.version import Loaded

logger = logging.getLogger(__name__)

# Bytes of a request and its answer together: many times a request of one row. What is larger takes the socket's room from
# many others.
MOST_BYTES: Final = 64 << 10
LONGEST: Final = 2 * MOST_BYTES  # of a message, with the names, and of what is collected
FRAME: Final = 128  # bytes of an offer in a message beside its texts, at most
UTF8: Final = 4  # bytes of a character, at most
# Seconds in which what comes is collected. Shorter than the 0.1 s that uvicorn takes to end after its last answer, so that
# nothing is lost where a host ends its workers by a signal.
COLLECTING: Final = 0.02
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
    "from modelserve.shadow.process import main; sys.exit(main(int(sys.argv[2])))"
)


class Offer(msgspec.Struct, array_like=True, gc=False):
    """One request and its answer, which names model and version as headers do.

    `event`: the body is the message's data, the answer a list of prediction events.
    """

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

    So nothing waits for the challenger when an instance starts: there was an answer before. A message is a list of
    offers; the one that finds no room waits for it, and as long as it waits what comes is dropped.
    """

    def __init__(self, settings: Settings, metrics: Metrics, patience: float = PATIENCE) -> None:
        self.share = settings.shadow_percent / 100
        self.metrics = metrics
        self.patience = patience + settings.predict_timeout_seconds
        self.sent = self.dropped = 0
        self._full = 0  # of the dropped: what the process had no room for
        self._collected: list[Offer] = []
        self._size = 0  # bytes of them in a message, at most
        self._due = False  # whether a turn of the loop is to send them
        self._message = b""  # that waits for room; nothing is collected meanwhile
        self._offers = 0  # in it
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()  # nothing is sent on a socket that is being closed: its number may be another's
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def chosen(self) -> bool:
        return random.random() < self.share  # noqa: S311 - a sample, not a secret

    def offer(self, offer: Offer) -> None:
        """Sent later; never raises, since the answer has yet to be sent."""
        size = len(offer.body) + len(offer.query) + len(offer.answer)
        names = len(offer.content_type) + len(offer.model) + len(offer.version)
        names += UTF8 * (len(offer.path) + len(offer.request_id)) + FRAME
        if size > MOST_BYTES or names > MOST_BYTES:
            self.count(TOO_LARGE)
            return
        before, size = self._size, size + names
        if before + size > LONGEST:
            self.flush()
            before = self._size
        if self._message:
            self.count(FULL)
            return
        offer.dropped = self.dropped
        self._collected.append(offer)
        self._size = before + size
        if before <= MOST_BYTES < self._size:
            asyncio.get_running_loop().call_soon(self.flush)
        if not self._due:
            self._flush_later()

    def _flush_later(self) -> None:
        self._due = True
        asyncio.get_running_loop().call_later(COLLECTING, self._turn)

    def _turn(self) -> None:
        self._due = False
        self.flush()
        if self._message:
            self._flush_later()

    def flush(self) -> None:
        """Send what was collected, or else what waits for room."""
        if not self._message and not self._collected:
            return
        try:
            outcome = self._send()
        except Exception:  # whatever it is, the loop would log it with what came in
            outcome = AWAY
        if outcome != FULL:
            self.count(outcome, self._offers)
            self._message, self._offers = b"", 0

    def count(self, outcome: str, offers: int = 1) -> None:
        if outcome == SENT:
            self.sent += offers
        else:
            self.dropped += offers
            self._full += offers if outcome == FULL else 0
        self.metrics.count("shadow", offers, outcome=outcome)

    def _send(self) -> str:
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="shadow", daemon=True)
            self._thread.start()
        if not self._message:
            offers, self._collected, self._size = self._collected, [], 0
            self._offers = len(offers)
            self._message = encoder.encode(offers)
        with self._lock:
            if self._socket is None:
                return AWAY
            try:
                self._socket.send(self._message)
            except BlockingIOError:
                return FULL
            except OSError:  # it ended, and its keeper does not know yet
                return AWAY
        return SENT

    def stop(self) -> None:
        """After the last answer. Its last lines are waited for, but not long."""
        if self._thread is None:
            return
        self.flush()
        self._stopped.set()
        with self._lock:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
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
            command = [sys.executable, "-P", "-c", START, str(Path(__file__).parents[2]), str(handle)]
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
        sent, full = self.sent, self._full
        while not hung_up.poll(self.patience * 1_000):
            if self.sent == sent and self._full > full:
                logger.error("the shadow takes nothing any more")
                return
            sent, full = self.sent, self._full


def offer_answer(
    shadow: Shadow, request: Request, headers: Headers, body: bytes, loaded: Loaded, response: Response
) -> None:
    """A prediction as it was asked and answered."""
    scope = request.scope
    if scope["method"] == "HEAD" or not shadow.chosen():
        return
    model, version = loaded.names
    shadow.offer(
        Offer(
            event=False,
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            content_type=headers.get(b"content-type", b""),
            body=body,
            answer=bytes(response.body),
            model=model,
            version=version,
            request_id=headers[b"x-request-id"].decode(),
        )
    )


def offer_event(shadow: Shadow, loaded: Loaded, message: Message, results: Sequence[Result]) -> None:
    """What was scored and published of a message."""
    if not results or not shadow.chosen():
        return
    model, version = loaded.names
    shadow.offer(
        Offer(
            event=True,
            method="",
            path="",
            query=b"",
            content_type=b"",
            body=message.data,
            answer=b"[" + b",".join(result.body for result in results) + b"]",
            model=model,
            version=version,
            request_id=message.message_id.encode(errors="replace").decode(),
        )
    )
