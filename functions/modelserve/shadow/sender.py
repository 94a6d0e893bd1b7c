"""The server's side of the shadow: it sends sampled answers to a separate process and never waits for it.

Samples are sent together every few milliseconds, since a send costs much more than the bytes of a sample. What does not
fit the socket is dropped and counted. The process (`process`) may crash, hang or be slow.
"""

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

from modelserve.core.backoff import Backoff
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.envelopes import Message
from modelserve.events.results import Result
from modelserve.http.bodies import Headers
from modelserve.models.version import Loaded
from modelserve.payloads.decode import JSON_SIZE

logger = logging.getLogger(__name__)

# Bytes of a request and its answer: many times a request of one row. A larger one would displace many others.
MAX_SAMPLE_BYTES: Final = 64 << 10
MAX_MESSAGE_BYTES: Final = 2 * MAX_SAMPLE_BYTES  # of a message, and of what is collected
FRAME: Final = 128  # bytes of a sample in a message beside its fields, at most
UTF8: Final = 4  # bytes of a character, at most
# Shorter than the 0.1 s that uvicorn takes to end after its last answer, so that nothing is lost when a host ends its workers
# by a signal.
COLLECT_SECONDS: Final = 0.02
SEND_BUFFER_BYTES: Final = 1 << 20  # if the limit of the kernel allows it
INITIAL_BACKOFF, MAX_BACKOFF = 1.0, 60.0  # seconds between starts
# The process counts as hung if it receives none of the samples of so many seconds and the deadline of a request. It receives
# samples also while it loads its model.
HANG_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 3.0  # for its last log lines; the server has 10 s from SIGTERM to SIGKILL
SENT, FULL, TOO_LARGE, UNAVAILABLE = "sent", "full", "too_large", "away"
# A new interpreter does not have the directory of this package on its path, as the host has.
START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from modelserve.shadow.process import main; sys.exit(main(int(sys.argv[2])))"
)


class Sample(msgspec.Struct, array_like=True, gc=False):
    """One request and its answer. Of an `event`, `body` is the data of the message and `answer` a list of prediction
    events."""

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
    dropped: int = 0  # samples that the server has dropped since it started
    json_size: bytes = b""  # of binary tensors: the length of the JSON before them in the body, as its header says
    answer_json_size: bytes = b""  # the same of the answer


encoder = msgspec.msgpack.Encoder()


class Shadow:
    """`submit_answer` and `submit_event` are called on the server's loop. The first sample starts a thread, which
    starts the process and restarts it whenever it ends. While a message waits for room in the socket, further samples
    are dropped."""

    def __init__(self, settings: Settings, metrics: Metrics, hang_seconds: float = HANG_SECONDS) -> None:
        self.share = settings.shadow_percent / 100
        self.metrics = metrics
        self.hang_seconds = hang_seconds + settings.predict_timeout_seconds
        self.sent = self.dropped = 0
        self._full = 0  # dropped since the socket had no room
        self._collected: list[Sample] = []
        self._size = 0  # bytes of their message, at most
        self._scheduled = False  # whether a timer will send them
        self._message = b""  # waits for room; nothing is collected meanwhile
        self._message_samples = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()  # no send on a closed socket, whose descriptor may be reused
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def is_sampled(self) -> bool:
        return random.random() < self.share  # noqa: S311 - a sample, not a secret

    def submit_answer(
        self, request: Request, headers: Headers, body: bytes, loaded: Loaded, response: Response
    ) -> None:
        scope = request.scope
        if scope["method"] == "HEAD" or not self.is_sampled():
            return
        model, version = loaded.names
        self.submit(
            Sample(
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
                json_size=headers.get(JSON_SIZE, b""),
                answer_json_size=dict(response.raw_headers).get(JSON_SIZE, b""),
            )
        )

    def submit_event(self, loaded: Loaded, message: Message, results: Sequence[Result]) -> None:
        if not results or not self.is_sampled():
            return
        answer = b"[" + b",".join(result.body for result in results) + b"]"
        request_id = message.message_id.encode(errors="replace").decode()
        # It has no method, path, query and content type.
        self.submit(Sample(True, "", "", b"", b"", message.data, answer, *loaded.names, request_id))

    def submit(self, sample: Sample) -> None:
        """Never raises, since the answer is not sent yet."""
        size = len(sample.body) + len(sample.query) + len(sample.answer)
        names = len(sample.content_type) + len(sample.json_size) + len(sample.model) + len(sample.version)
        names += UTF8 * (len(sample.path) + len(sample.request_id)) + FRAME
        if size > MAX_SAMPLE_BYTES or names > MAX_SAMPLE_BYTES:
            self.count(TOO_LARGE)
            return
        before, size = self._size, size + names
        if before + size > MAX_MESSAGE_BYTES:
            self.flush()
            before = self._size
        if self._message:
            self.count(FULL)
            return
        sample.dropped = self.dropped
        self._collected.append(sample)
        self._size = before + size
        if before <= MAX_SAMPLE_BYTES < self._size:
            asyncio.get_running_loop().call_soon(self.flush)
        if not self._scheduled:
            self._flush_later()

    def _flush_later(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_later(COLLECT_SECONDS, self._flush_scheduled)

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()
        if self._message:
            self._flush_later()

    def flush(self) -> None:
        if not self._message and not self._collected:
            return
        try:
            outcome = self._send()
        except Exception:  # the loop would log it together with the data
            outcome = UNAVAILABLE
        if outcome != FULL:
            self.count(outcome, self._message_samples)
            self._message, self._message_samples = b"", 0

    def count(self, outcome: str, samples: int = 1) -> None:
        if outcome == SENT:
            self.sent += samples
        else:
            self.dropped += samples
            self._full += samples if outcome == FULL else 0
        self.metrics.count("shadow", samples, outcome=outcome)

    def _send(self) -> str:
        if self._thread is None:
            self._thread = threading.Thread(target=self._supervise, name="shadow", daemon=True)
            self._thread.start()
        if not self._message:
            samples, self._collected, self._size = self._collected, [], 0
            self._message_samples = len(samples)
            self._message = encoder.encode(samples)
        with self._lock:
            if self._socket is None:
                return UNAVAILABLE
            try:
                self._socket.send(self._message)
            except BlockingIOError:
                return FULL
            except OSError:  # the process has ended, and the thread does not know yet
                return UNAVAILABLE
        return SENT

    def stop(self) -> None:
        """After the last answer. Waits a little for the last log lines of the process."""
        if self._thread is None:
            return
        self.flush()
        self._stopped.set()
        with self._lock:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(GRACE_SECONDS + 1)

    def _supervise(self) -> None:
        """On the shadow's thread, with all that it calls."""
        backoff = Backoff(INITIAL_BACKOFF, MAX_BACKOFF)
        while not self._stopped.is_set():
            began = time.monotonic()
            status: int | None = None
            try:
                status = self._run()
            except OSError as error:
                logger.error("the shadow cannot be started", exc_info=error)
            if self._stopped.is_set():
                return
            if time.monotonic() - began > MAX_BACKOFF:
                backoff.reset()
            delay = backoff.next_delay()
            logger.warning("the shadow ended", extra={"fields": {"status": status, "again_in_seconds": delay}})
            self._stopped.wait(delay)

    def _run(self) -> int:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
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
            return process.wait(GRACE_SECONDS)
        process.kill()
        return process.wait()

    def _watch(self, ours: socket.socket) -> None:
        poll = select.poll()
        poll.register(ours, 0)  # always reports that an end was closed
        sent, full = self.sent, self._full
        while not poll.poll(self.hang_seconds * 1_000):
            if self.sent == sent and self._full > full:
                logger.error("the shadow hangs: it receives no samples")
                return
            sent, full = self.sent, self._full
