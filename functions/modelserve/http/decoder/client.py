"""The server's side of the decoder process, which decodes large bodies and all Parquet, one after the other.

None of them can delay other requests, take the server's memory or end it. The first one starts the process.
"""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from modelserve.core.errors import MalformedRequest, TooLarge, Unavailable
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.http.bodies import INLINE_BYTES, off_loop
from modelserve.http.decoder.wire import (
    ANSWER,
    ASK,
    READ_BYTES,
    DecodeRequest,
    Outcome,
    encoder,
    outcome_decoder,
    restore_checked,
    restore_error,
)
from modelserve.payloads import Limits
from modelserve.payloads.decode import PARQUET, BodyDecoder, CheckedBody, Protocol
from modelserve.schema.signature import Signature

logger = logging.getLogger(__name__)

# JSON and CSV of so many bytes are decoded within a few milliseconds; a process costs more memory than that is worth.
MAX_INLINE_BYTES: Final = 4 * INLINE_BYTES
MIB: Final = 1 << 20
# Bytes that it may take beyond what it starts with: for Parquet its unpacked columns several times, for JSON the largest body as
# Python values, copies and columns.
MIN_MEMORY: Final = 256 * MIB
MEMORY_PER_BYTE: Final = 24
START_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 1.0  # seconds after a request's own end
# Of a library that a body broke. A process that ended by itself has another reason, which its log line says.
CRASHES: Final = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)
START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from modelserve.http.decoder.process import main; main(sys.argv[2])"
)


class DecoderFailed(Exception):
    """The decoder met a bug; its log line says which."""


class Child:
    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        self.memory = max(MIN_MEMORY, MEMORY_PER_BYTE * settings.max_request_bytes)
        job = {
            "handle": theirs.fileno(),
            "limits": limits,
            "memory": self.memory,
            "seconds": settings.predict_timeout_seconds + GRACE_SECONDS,
            "log_level": settings.log_level,
        }
        text = msgspec.json.encode(job).decode()
        command = [sys.executable, "-P", "-c", START, str(Path(__file__).parents[3]), text]
        with theirs:
            # What a C++ library says when it ends the process may repeat the body.
            nowhere = subprocess.DEVNULL
            try:
                self.process = subprocess.Popen(command, stdin=nowhere, stderr=nowhere, pass_fds=[theirs.fileno()])  # noqa: S603 - this interpreter, and our own module
            except OSError:
                self.socket.close()
                raise

        self._began = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start: asyncio.Future[None] | None = None
        self._answer: asyncio.Future[None] | None = None
        self._received = bytearray()
        self._missing = 0  # bytes of an answer that there is room for

    async def wait_started(self, loop: asyncio.AbstractEventLoop) -> None:
        """Raises ConnectionError if the process ends. A request that gives up leaves it starting for the next one."""
        if self._start is None:
            self._loop, self._start = loop, quiet_future(loop)
            loop.add_reader(self.socket, self._read)
        await asyncio.shield(self._start)

    @property
    def start_overdue(self) -> bool:
        starting = self._start is not None and not self._start.done()
        return starting and time.monotonic() - self._began > START_SECONDS

    def detach(self) -> None:
        """Stop reading from it. Called on the event loop, before `end`."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self.socket)
        self._loop = None

    async def ask(self, head: bytes, body: bytes, loop: asyncio.AbstractEventLoop) -> Outcome:
        """One at a time. Raises ConnectionError when it ends meanwhile."""
        self._received = bytearray()
        self._answer = quiet_future(loop)
        start = ASK.pack(len(head), len(body)) + head
        if len(body) <= READ_BYTES:
            start += body
        sent = self.socket.send(start)
        if sent < len(start):
            await loop.sock_sendall(self.socket, memoryview(start)[sent:])
        if len(body) > READ_BYTES:
            await loop.sock_sendall(self.socket, body)
        await self._answer
        received, self._received = self._received, bytearray()
        return outcome_decoder.decode(memoryview(received)[ANSWER.size :])

    def _read(self) -> None:
        found = b""
        try:
            if self._missing:
                count = self.socket.recv_into(memoryview(self._received)[-self._missing :])
                self._missing -= count
            else:
                found = self.socket.recv(READ_BYTES)
                count = len(found)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self.detach()
            for future in (self._start, self._answer):
                if future is not None and not future.done():
                    future.set_exception(ConnectionResetError())
        elif self._start is not None and not self._start.done():
            self._start.set_result(None)
        else:
            self._receive(found)

    def _receive(self, found: bytes) -> None:
        self._received += found
        if len(self._received) < ANSWER.size:
            return
        size = ANSWER.size + ANSWER.unpack_from(self._received)[0]
        if len(self._received) < size:
            self._missing = size - len(self._received)
            whole = bytearray(size)
            whole[: -self._missing] = self._received
            self._received = whole
        elif not self._missing and self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def end(self) -> int:
        self.socket.close()
        self.process.kill()
        return self.process.wait()


def quiet_future(loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    future: asyncio.Future[None] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


class Decoder:
    def __init__(self, settings: Settings, limits: Limits, metrics: Metrics) -> None:
        self.settings = settings
        self.limits = limits
        self.metrics = metrics
        self._lock = asyncio.Lock()
        self._child: Child | None = None
        self._signature: tuple[Signature | None, bytes] = (None, b"")

    @property
    def pid(self) -> int | None:
        return self._child.process.pid if self._child else None

    def check_typed(self, data: bytes, kind: str, protocol: Protocol, decoder: BodyDecoder) -> CheckedBody | None:
        """None where `check` has to look."""
        return decoder.decode_typed(data, kind, protocol) if len(data) <= MAX_INLINE_BYTES else None

    async def check(self, data: bytes, kind: str, protocol: Protocol, decoder: BodyDecoder) -> CheckedBody:
        """From bytes to checked columns. Raises BadInput, or Unavailable when the decoder was killed."""
        if kind != PARQUET and len(data) <= MAX_INLINE_BYTES:
            return await off_loop(len(data), lambda: decoder.decode_reporting(data, kind, protocol))
        async with self._lock:
            outcome = await self._ask(data, kind, protocol, decoder.signature)
        if outcome.decoded is not None:
            return await restore_checked(outcome.decoded)
        if outcome.refusal is not None:
            raise restore_error(outcome.refusal)
        raise DecoderFailed

    async def _ask(self, data: bytes, kind: str, protocol: Protocol, signature: Signature | None) -> Outcome:
        if self._child is not None and self._child.process.poll() is not None:
            await self._give_up(self._child, kind, 0, "idle")
        if self._child is None:
            self._child = self._start()
        child = self._child
        head = encoder.encode(DecodeRequest(kind, protocol, self._signature_text(signature)))
        loop = asyncio.get_running_loop()
        asked = False
        try:
            await child.wait_started(loop)
            asked = True
            outcome = await child.ask(head, data, loop)
        except ConnectionError:
            status = await self._give_up(child, kind, len(data), "died")
            if asked and kind == PARQUET and -status in CRASHES:
                raise MalformedRequest("The body is not a readable Parquet file.") from None
            if asked and kind != PARQUET and -status == signal.SIGSEGV:
                # Where no memory is left, msgspec 0.22 does not always raise MemoryError: one body in 20 ends the process.
                raise self._too_large(child) from None
            raise Unavailable("The process that decodes bodies was ended; send the request again.") from None
        except BaseException:  # the request's time is over, and the answer would be the next one's
            if asked or child.start_overdue:
                await asyncio.shield(self._give_up(child, kind, len(data), "deadline"))
            raise
        if outcome.spent:
            await self._give_up(child, kind, len(data), "memory")
            raise self._too_large(child)
        return outcome

    def _too_large(self, child: Child) -> TooLarge:
        return TooLarge.over_limit(child.memory, "bytes", "MAX_REQUEST_BYTES", "The decoded body")

    def _start(self) -> Child:
        try:
            return Child(self.settings, self.limits)
        except OSError as error:  # no process, descriptor or memory is left
            logger.error("the decoder cannot be started", exc_info=error)
            raise Unavailable("No process to decode the body could be started; send the request again.") from error

    async def _give_up(self, child: Child, kind: str, size: int, reason: str) -> int:
        self._child = None
        child.detach()
        self.metrics.count("decoder_ends", reason=reason)
        status = await asyncio.to_thread(child.end)
        fields = {"reason": reason, "status": status, "media_type": kind, "bytes": size}
        logger.warning("the decoder ended", extra={"fields": fields})
        return status

    def _signature_text(self, signature: Signature | None) -> bytes:
        if signature is None:
            return b""
        if self._signature[0] is not signature:
            self._signature = signature, msgspec.json.encode(signature.raw)
        return self._signature[1]

    def stop(self) -> None:
        if self._child is not None:
            self._child.detach()
            self._child.end()
            self._child = None
