"""The messages between the command and the process of one side: MessagePack, each preceded by its length.

MessagePack, because JSON has no infinity.
"""

import os
import select
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from modelserve_control.batch.rows.row_results import Outcome

LENGTH = 8  # bytes


class Message(msgspec.Struct, tag=True):
    """Each message carries the name of its type."""


class Begin(Message):
    """`address` is a MODEL_URI, or the address of a running service. `source` is a local file."""

    address: str
    is_service: bool
    source: str
    rows: int
    method: str | None
    trust: str
    token_command: str | None


class Description(Message):
    """One side, in the terms of /metadata. `file_rows` is the number of rows of the data."""

    name: str
    version: str
    runtime: str
    methods: list[str]
    classes: list[Any] | None
    signature: dict[str, Any] | None
    presentation: dict[str, Any]
    file_rows: int


class NextChunk(Message):
    """Score the next chunk."""


class ScoredChunk(Message):
    """One outcome per row; no rows after the last chunk. `seconds` to check and score the chunk, and for rows that were
    scored alone, by row."""

    outcomes: list[Outcome]
    seconds: float = 0.0
    alone: dict[int, float] = {}


class Failure(Message):
    """The error body of the error that ended this side."""

    body: Mapping[str, Any]


class Channel:
    """Two pipes. Raises EOFError when the other end is closed, TimeoutError when no message arrives within `timeout` seconds."""

    def __init__(self, incoming: int, outgoing: int, timeout: float | None = None) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self.timeout = timeout

    def send(self, message: Message) -> None:
        data = msgspec.msgpack.encode(message)
        rest = memoryview(len(data).to_bytes(LENGTH, "big") + data)
        while rest:
            rest = rest[os.write(self.outgoing, rest) :]

    def receive(self, kind: Any) -> Any:
        size = int.from_bytes(self.read_exactly(LENGTH), "big")
        return msgspec.msgpack.decode(self.read_exactly(size), type=kind)

    def read_exactly(self, size: int) -> bytes:
        data = bytearray()
        end = time.monotonic() + self.timeout if self.timeout else None
        while len(data) < size:
            if not select.select([self.incoming], [], [], max(0.0, end - time.monotonic()) if end else None)[0]:
                raise TimeoutError
            part = os.read(self.incoming, min(size - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)
