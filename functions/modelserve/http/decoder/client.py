"""The decoder, seen from the server: a process that decodes large bodies and all Parquet, so that none of them can keep
others waiting, take the server's memory, or end it. What it does is in `process`.

It is started with the first body that needs it and kept. Bodies are decoded one after the other, in the order they came.
"""

from __future__ import annotations

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
from modelserve.http.decoder.wire import ANSWER, ASK, Ask, Reply, checked_of, encoder, error_of, reply_decoder
from modelserve.payloads import Limits
from modelserve.payloads.decode import PARQUET, BodyDecoder, CheckedBody, Protocol
from modelserve.schema.signature import Signature

logger = logging.getLogger(__name__)

# JSON and CSV of so many bytes are decoded within a few milliseconds; a process costs more memory than that is worth.
HERE_BYTES: Final = 4 * INLINE_BYTES
MIB: Final = 1 << 20
# Bytes that it may take beside what it is: for Parquet its unpacked columns several times, for JSON the largest body as
# Python values, copies and columns.
LEAST_MEMORY: Final = 256 * MIB
MEMORY_PER_BYTE: Final = 24
START_SECONDS: Final = 60.0
GRACE: Final = 1.0  # seconds after a request's own end
FIRST_READ: Final = 64 << 10
# Of a library that a body broke. A process that ended by itself has another reason, which its log line says.
CRASHES: Final = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)
START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from modelserve.http.decoder.process import main; main(sys.argv[2])"
)


class Failed(Exception):
    """The decoder met a bug; its log line says which."""


class Child:
    """One process and our end of its socket."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        self.memory = max(LEAST_MEMORY, MEMORY_PER_BYTE * settings.max_request_bytes)
        job = {
            "handle": theirs.fileno(),
            "limits": limits,
            "memory": self.memory,
            "seconds": settings.predict_timeout_seconds + GRACE,
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
        self._start: asyncio.Task[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    async def started(self, loop: asyncio.AbstractEventLoop) -> None:
        """A request that cannot wait so long leaves it starting: otherwise none would ever find it ready.

        Raises ConnectionError when it ends meanwhile.
        """
        if self._start is None:
            self._start = loop.create_task(self.receive(loop))
            self._start.add_done_callback(
                lambda task: task.cancelled() or task.exception()
            )  # seen, also where no request waits any more
        await asyncio.shield(self._start)

    @property
    def start_overdue(self) -> bool:
        """Whether it has not started for longer than any machine takes."""
        starting = self._start is not None and not self._start.done()
        return starting and time.monotonic() - self._began > START_SECONDS

    def stop_starting(self) -> None:
        if self._start is not None:
            self._start.cancel()

    async def ask(self, head: bytes, body: bytes, loop: asyncio.AbstractEventLoop) -> Reply:
        """Raises ConnectionError when it ends meanwhile."""
        start = ASK.pack(len(head), len(body)) + head
        if len(body) <= FIRST_READ:
            await loop.sock_sendall(self.socket, start + body)
        else:
            await loop.sock_sendall(self.socket, start)
            await loop.sock_sendall(self.socket, body)
        first = await self.receive(loop)
        while len(first) < ANSWER.size:
            first += await self.receive(loop)
        (length,) = ANSWER.unpack_from(first)
        answer = first[ANSWER.size :]
        if len(answer) < length:
            rest = bytearray(length)
            rest[: len(answer)] = answer
            place = len(answer)
            while place < length:
                more = await loop.sock_recv_into(self.socket, memoryview(rest)[place:])
                if not more:
                    raise ConnectionResetError
                place += more
            return reply_decoder.decode(rest)
        return reply_decoder.decode(answer)

    async def receive(self, loop: asyncio.AbstractEventLoop) -> bytes:
        found = await loop.sock_recv(self.socket, FIRST_READ)
        if not found:
            raise ConnectionResetError
        return found

    def end(self) -> int:
        """Its status."""
        self.socket.close()
        self.process.kill()
        return self.process.wait()


class Decoder:
    """For one event loop."""

    def __init__(self, settings: Settings, limits: Limits, metrics: Metrics) -> None:
        self.settings = settings
        self.limits = limits
        self.metrics = metrics
        self._turn = asyncio.Lock()
        self._child: Child | None = None
        self._signature: tuple[Signature | None, bytes] = (None, b"")

    @property
    def pid(self) -> int | None:
        return self._child.process.pid if self._child else None

    async def check(self, data: bytes, kind: str, protocol: Protocol, decoder: BodyDecoder) -> CheckedBody:
        """From bytes to checked columns. Raises BadInput, or Unavailable when the decoder was killed."""
        if kind != PARQUET and len(data) <= HERE_BYTES:
            checked = decoder.decode_typed(data, kind, protocol)
            if checked is None:
                checked = await off_loop(len(data), lambda: decoder.decode_reporting(data, kind, protocol))
            return checked
        async with self._turn:
            reply = await self._ask(data, kind, protocol, decoder.signature)
        if reply.answer is not None:
            return await checked_of(reply.answer)
        if reply.refusal is not None:
            raise error_of(reply.refusal)
        raise Failed

    async def _ask(self, data: bytes, kind: str, protocol: Protocol, signature: Signature | None) -> Reply:
        if self._child is not None and not self._child.alive:
            await self._give_up(self._child, kind, 0, "idle")
        if self._child is None:
            self._child = self._start()
        child = self._child
        head = encoder.encode(Ask(kind, protocol, self._text(signature)))
        loop = asyncio.get_running_loop()
        asked = False
        try:
            await child.started(loop)
            asked = True
            reply = await child.ask(head, data, loop)
        except ConnectionError:
            status = await self._give_up(child, kind, len(data), "died")
            if asked and kind == PARQUET and -status in CRASHES:
                raise MalformedRequest("The body is not a readable Parquet file.") from None
            raise Unavailable("The process that decodes bodies was ended; send the request again.") from None
        except BaseException:  # the request's time is over, and the answer would be the next one's
            if asked or child.start_overdue:
                await asyncio.shield(self._give_up(child, kind, len(data), "deadline"))
            raise
        if reply.spent:
            await self._give_up(child, kind, len(data), "memory")
            raise TooLarge.over_limit(child.memory, "bytes", "MAX_REQUEST_BYTES", "The decoded body")
        return reply

    def _start(self) -> Child:
        try:
            return Child(self.settings, self.limits)
        except OSError as error:  # no process, descriptor or memory is left
            logger.error("the decoder cannot be started", exc_info=error)
            raise Unavailable("No process to decode the body could be started; send the request again.") from error

    async def _give_up(self, child: Child, kind: str, size: int, reason: str) -> int:
        self._child = None
        child.stop_starting()
        self.metrics.count("decoder_ends", reason=reason)
        status = await asyncio.to_thread(child.end)
        fields = {"reason": reason, "status": status, "media_type": kind, "bytes": size}
        logger.warning("the decoder ended", extra={"fields": fields})
        return status

    def _text(self, signature: Signature | None) -> bytes:
        """The signature as the decoder takes it; kept, since it is that of the version in use."""
        if signature is None:
            return b""
        if self._signature[0] is not signature:
            self._signature = signature, msgspec.json.encode(signature.raw)
        return self._signature[1]

    def stop(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None
