"""A process beside the server that takes samples of its work: the server sends them and never waits for it.

Samples are sent together every few milliseconds, since a send costs much more than the bytes of a sample. What does not
fit the socket is dropped and counted. The process may crash, hang or be slow.
"""

import asyncio
import logging
import os
import random
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from modelserve.core.backoff import Backoff
from modelserve.core.metrics import Metrics

logger = logging.getLogger(__name__)

# Bytes of a request and its answer: many times a request of one row. A larger one would displace many others.
MAX_SAMPLE_BYTES: Final = 64 << 10
MAX_MESSAGE_BYTES: Final = 2 * MAX_SAMPLE_BYTES  # of a message, and of what is collected
UTF8: Final = 4  # bytes of a character, at most
FRAME: Final = 128  # bytes of a sample in a message beside its fields, at most
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
START: Final = "import sys; sys.path.insert(0, sys.argv[1]);from {module} import main; sys.exit(main(int(sys.argv[2])))"
# Before the process waits for a message. A send to a waiting process must wake it, which costs the server many times as much
# as the send. The socket has room for all samples of this time, and under steady load the next message has arrived meanwhile.
PAUSE_SECONDS: Final = 1.5 * COLLECT_SECONDS
MAX_WARNINGS: Final = 20  # log lines of the process in a minute

encoder = msgspec.msgpack.Encoder()


class Sidecar:
    """`name` is its thread, its counter and its name in the log; `module` has the `main` of the process; `percent` of the
    requests are sampled.

    `collect` is called on the server's loop. `start`, or else the first sample, starts a thread, which starts the process and
    restarts it whenever it ends. While a message waits for room in the socket, further samples are dropped."""

    def __init__(
        self, name: str, module: str, percent: float, metrics: Metrics, hang_seconds: float = HANG_SECONDS
    ) -> None:
        self.name = name
        self.share = percent / 100
        self.module = module
        self.metrics = metrics
        self.hang_seconds = hang_seconds
        self.sent = self.dropped = 0
        self._full = 0  # dropped since the socket had no room
        self._collected: list[Any] = []
        self._size = 0  # bytes of their message, at most
        self._scheduled = False  # whether a timer will send them
        self._message = b""  # waits for room; nothing is collected meanwhile
        self._message_samples = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()  # no send on a closed socket, whose descriptor may be reused
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._supervise, name=self.name, daemon=True)
            self._thread.start()

    def is_sampled(self) -> bool:
        return random.random() < self.share  # noqa: S311 - a sample, not a secret

    def collect(self, sample: Any, size: int) -> None:
        """`size`: its bytes in a message, at most MAX_MESSAGE_BYTES. Never raises, since the answer is not sent yet."""
        before = self._size
        if before + size > MAX_MESSAGE_BYTES:
            self.flush()
            before = self._size
        if self._message:
            self.count(FULL)
            return
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
        self.metrics.count(self.name, samples, outcome=outcome)

    def _send(self) -> str:
        self.start()
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
        """On the sidecar's thread, with all that it calls."""
        backoff = Backoff(INITIAL_BACKOFF, MAX_BACKOFF)
        while not self._stopped.is_set():
            began = time.monotonic()
            status: int | None = None
            try:
                status = self._run()
            except OSError as error:
                logger.error("the %s cannot be started", self.name, exc_info=error)
            if self._stopped.is_set():
                return
            if time.monotonic() - began > MAX_BACKOFF:
                backoff.reset()
            delay = backoff.next_delay()
            logger.warning("the %s ended", self.name, extra={"fields": {"status": status, "again_in_seconds": delay}})
            self._stopped.wait(delay)

    def _run(self) -> int:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            handle = theirs.fileno()
            start = START.format(module=self.module)
            command = [sys.executable, "-P", "-c", start, str(Path(__file__).parents[2]), str(handle)]
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
                logger.error("the %s hangs: it receives no samples", self.name)
                return
            sent, full = self.sent, self._full


# --- in the process ---


async def receive_message(sock: socket.socket) -> bytes:
    """Empty when the server has closed its end."""
    with suppress(BlockingIOError):
        return sock.recv(MAX_MESSAGE_BYTES)
    await asyncio.sleep(PAUSE_SECONDS)
    return await asyncio.get_running_loop().sock_recv(sock, MAX_MESSAGE_BYTES)


def lower_priority() -> None:
    """The lowest for the processor, and the first process to be killed for memory; each if the system supports it."""
    with suppress(OSError):
        os.nice(19)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as oom_score:
        oom_score.write("1000")


class SidecarLogFilter:
    def __init__(self) -> None:
        self._minute = self._warnings = 0

    def __call__(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        minute = int(record.created // 60)
        if minute != self._minute:
            self._minute, self._warnings = minute, 0
        self._warnings += 1
        return self._warnings <= MAX_WARNINGS
