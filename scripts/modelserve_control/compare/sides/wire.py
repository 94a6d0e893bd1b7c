"""What the command and the process of one side say to each other: MessagePack, each message with its length in front.

MessagePack and not JSON, because an answer that is infinite must arrive as it is.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from modelserve_control.batch.row_results import Outcome

LENGTH = 8  # bytes


class Message(msgspec.Struct, tag=True):
    """The base. Each carries its own name, so that either end knows what came."""


class Job(Message):
    """`address` is a MODEL_URI, or the address of a running service. `source` is a local file."""

    address: str
    source: str
    rows: int
    method: str | None
    trust: str
    token_command: str | None
    service: bool


class Described(Message):
    """What one side is, in the words of /metadata. `file_rows` are those of the data."""

    name: str
    version: str
    runtime: str
    methods: list[str]
    classes: list[Any] | None
    signature: dict[str, Any] | None
    presentation: dict[str, Any]
    file_rows: int


class Next(Message):
    """Score the next chunk."""


class Scored(Message):
    """One outcome per row of a chunk; no rows after the last one.

    `seconds` is what judging and scoring the chunk took, `alone` what it took for single rows, by their place.
    """

    outcomes: list[Outcome]
    seconds: float = 0.0
    alone: dict[int, float] = {}


class Failed(Message):
    """The error body of what ended this side."""

    body: Mapping[str, Any]


class Channel:
    """Two pipes. Raises EOFError when the other end has gone, TimeoutError when it says nothing for `patience` seconds."""

    def __init__(self, incoming: int, outgoing: int, patience: float | None = None) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self.patience = patience

    def send(self, message: Message) -> None:
        data = msgspec.msgpack.encode(message)
        rest = memoryview(len(data).to_bytes(LENGTH, "big") + data)
        while rest:
            rest = rest[os.write(self.outgoing, rest) :]

    def receive(self, kind: Any) -> Any:
        """A message of this type, or of one of a union."""
        size = int.from_bytes(self.exactly(LENGTH), "big")
        return msgspec.msgpack.decode(self.exactly(size), type=kind)

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        end = time.monotonic() + self.patience if self.patience else None
        while len(data) < size:
            if not select.select([self.incoming], [], [], max(0.0, end - time.monotonic()) if end else None)[0]:
                raise TimeoutError
            part = os.read(self.incoming, min(size - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)
