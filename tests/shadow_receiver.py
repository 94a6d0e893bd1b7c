"""A shadow whose process is the test."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain

import msgspec

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.core.sidecar import MAX_MESSAGE_BYTES
from modelserve.shadow.sender import Sample, Shadow


class Receiver:
    """The receiving end of a shadow. Unless `scheduled`, no timer sends what was collected."""

    def __init__(self, percent: float, scheduled: bool) -> None:
        self.shadow = Shadow(Settings.from_environ({"SHADOW_PERCENT": str(percent)}), Metrics(enabled=False))
        self.shadow._socket, self.sock = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.shadow._socket.setblocking(False)
        self.shadow._thread = threading.Thread()
        self.shadow._thread.start()
        self.shadow._scheduled = not scheduled

    def messages(self) -> list[list[Sample]]:
        """What was sent."""
        self.sock.setblocking(False)
        found = []
        with suppress(BlockingIOError):
            while data := self.sock.recv(MAX_MESSAGE_BYTES):
                found.append(msgspec.msgpack.decode(data, type=list[Sample]))
        return found

    def samples(self) -> list[Sample]:
        """Also what is collected."""
        self.shadow.flush()
        return list(chain.from_iterable(self.messages()))

    def close(self) -> None:
        self.sock.close()
        if self.shadow._socket:
            self.shadow._socket.close()


@contextmanager
def receive(percent: float = 100.0, scheduled: bool = False) -> Iterator[Receiver]:
    receiver = Receiver(percent, scheduled)
    try:
        yield receiver
    finally:
        receiver.close()


def run_on_loop(call: Callable[[], None]) -> None:
    async def main() -> None:
        call()

    asyncio.run(main())


def make_sample(number: int = 0, size: int = 100, path: str = "/predict", content_type: bytes = b"") -> Sample:
    return Sample(False, "POST", path, b"", content_type, b" " * size, b"1", "tiny", "7", str(number))


def numbers(samples: Sequence[Sample]) -> list[int]:
    return [int(sample.request_id) for sample in samples]
