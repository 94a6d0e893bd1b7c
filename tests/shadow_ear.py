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
from modelserve.shadow.sender import LONGEST, Offer, Shadow


class Heard:
    """A shadow whose process is this one; unless `scheduled`, no turn of a loop sends what was collected."""

    def __init__(self, percent: float, scheduled: bool) -> None:
        self.shadow = Shadow(Settings.from_environ({"SHADOW_PERCENT": str(percent)}), Metrics(enabled=False))
        self.shadow._socket, self.ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.shadow._socket.setblocking(False)
        self.shadow._thread = threading.Thread()
        self.shadow._thread.start()
        self.shadow._due = not scheduled

    def messages(self) -> list[list[Offer]]:
        """What was sent."""
        self.ear.setblocking(False)
        found = []
        with suppress(BlockingIOError):
            while data := self.ear.recv(LONGEST):
                found.append(msgspec.msgpack.decode(data, type=list[Offer]))
        return found

    def offers(self) -> list[Offer]:
        """Also what is collected."""
        self.shadow.flush()
        return list(chain.from_iterable(self.messages()))

    def close(self) -> None:
        self.ear.close()
        if self.shadow._socket:
            self.shadow._socket.close()


@contextmanager
def heard(percent: float = 100.0, scheduled: bool = False) -> Iterator[Heard]:
    made = Heard(percent, scheduled)
    try:
        yield made
    finally:
        made.close()


def on_loop(call: Callable[[], None]) -> None:
    async def main() -> None:
        call()

    asyncio.run(main())


def offered(number: int = 0, size: int = 100, path: str = "/predict", content_type: bytes = b"") -> Offer:
    return Offer(False, "POST", path, b"", content_type, b" " * size, b"1", "tiny", "7", str(number))


def numbers(offers: Sequence[Offer]) -> list[int]:
    return [int(offer.request_id) for offer in offers]
