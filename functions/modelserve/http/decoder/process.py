"""The decoder: a process that turns bodies into checked columns, one after the other.

A body that takes long, exhausts the memory or crashes a library affects its own request only. `client` starts the process,
and it ends when the server closes its end of the socket.
"""

import logging
import os
import resource
import signal
import socket
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from modelserve.core import logs, memory
from modelserve.core.errors import ServeError
from modelserve.http.decoder.wire import ANSWER, ASK, READ_BYTES, READY, DecodeRequest, Outcome, Refusal, encode_checked
from modelserve.payloads import Limits
from modelserve.payloads.decode import PARQUET, BodyDecoder
from modelserve.schema.signature import from_mlmodel

logger = logging.getLogger(__name__)

NICE: Final = 10  # beside a busy server it gets a tenth of the processor
LARGE_BODY_BYTES: Final = 1 << 20  # bytes of a body after which freed memory is given back


class Job(msgspec.Struct):
    """`handle` is its end of the socket, `memory` the bytes it may take beyond those at its start, `seconds` the time
    for a body."""

    handle: int
    limits: Limits
    memory: int
    seconds: float
    log_level: str


class Decoder:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.socket = socket.socket(fileno=job.handle)
        self._ready_for_parquet = False
        limit_memory(job.memory)

    def serve(self) -> None:
        ask = msgspec.msgpack.Decoder(DecodeRequest)
        encoder = msgspec.msgpack.Encoder()
        self.socket.sendall(READY)
        while first := self.socket.recv(READ_BYTES):
            # No request waits longer, and the server that would end this process may be gone.
            signal.setitimer(signal.ITIMER_REAL, self.job.seconds)
            request = self.receive(first)
            end = ASK.size + ASK.unpack_from(request)[0]
            asked = ask.decode(memoryview(request)[ASK.size : end])
            data = bytes(memoryview(request)[end:])
            del request, first
            answer = encoder.encode(self.reply(asked, data))
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.socket.sendall(ANSWER.pack(len(answer)) + answer)
            if len(data) > LARGE_BODY_BYTES:
                del answer, data
                memory.trim_malloc()

    def receive(self, first: bytes) -> bytearray:
        found = bytearray(first)
        while len(found) < ASK.size:
            found += self.socket.recv(ASK.size - len(found)) or raise_server_gone()
        size = ASK.size + sum(ASK.unpack_from(found))
        if len(found) == size:
            return found
        whole = bytearray(size)
        whole[: len(found)] = found
        rest = memoryview(whole)[len(found) :]
        while rest:
            rest = rest[self.socket.recv_into(rest) or raise_server_gone() :]
        return whole

    def reply(self, asked: DecodeRequest, data: bytes) -> Outcome:
        try:
            if asked.kind == PARQUET:
                self.prepare_parquet()
            decoder = decoder_of(asked.signature, self.job.limits)
            return Outcome(encode_checked(decoder.decode(data, asked.kind, asked.protocol)))
        except ServeError as error:
            return Outcome(refusal=Refusal(error.code, error.message, [dict(detail) for detail in error.details]))
        except MemoryError:
            return Outcome(spent=True)
        except Exception as error:
            logger.error("the decoder failed", exc_info=error)
            return Outcome()

    def prepare_parquet(self) -> None:
        if self._ready_for_parquet:
            return
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        import pyarrow as pa
        import pyarrow.parquet

        pa.set_memory_pool(pa.system_memory_pool())  # the others reserve a gigabyte of addresses
        pa.set_cpu_count(1)
        limit_memory(self.job.memory)
        self._ready_for_parquet = True


def raise_server_gone() -> NoReturn:
    raise ConnectionResetError


@lru_cache(maxsize=4)
def decoder_of(text: bytes, limits: Limits) -> BodyDecoder:
    return BodyDecoder(from_mlmodel(msgspec.json.decode(text)) if text else None, limits)


def limit_memory(room: int) -> None:
    """Limit the memory to `room` bytes more than are in use. Beyond that allocations fail, here and in C++."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit, most = pages * resource.getpagesize() + room, resource.getrlimit(resource.RLIMIT_AS)[1]
    if most != resource.RLIM_INFINITY:  # what this container was given, which only root may raise
        limit = min(limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def lower_priority() -> None:
    """Lower than the server, and the first process to be killed for memory; each if the system supports it."""
    with suppress(OSError):
        os.nice(NICE)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as first_to_go:
        first_to_go.write("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(text: str) -> None:
    lower_priority()
    for name in (signal.SIGINT, signal.SIGTERM):  # of a group of processes: the server's last bodies are decoded
        signal.signal(name, signal.SIG_IGN)
    job = msgspec.json.decode(text, type=Job)
    logs.configure(job.log_level, process="decoder")
    try:
        Decoder(job).serve()
    except ConnectionError:
        return
    except Exception as error:
        logger.error("the decoder failed", exc_info=error)
        raise
