"""A real HTTP endpoint for pushes: notes what comes and answers with the statuses it was given."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any

from http_server import WAIT_SECONDS, Answer, answering


@dataclass(frozen=True)
class Push:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> Any:
        return self.json["message"]


class Endpoint:
    """`statuses` are the answers, one after the other; the last one goes on."""

    url: str

    def __init__(self) -> None:
        self.statuses = [204]
        self.hold = threading.Event()
        self.hold.set()
        self._pushes: queue.Queue[Push] = queue.Queue()

    def next(self) -> Push:
        """The next push, as soon as it comes."""
        return self._pushes.get(timeout=WAIT_SECONDS)

    @property
    def quiet(self) -> bool:
        """No push has come that `next` has not given."""
        return self._pushes.empty()

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Answer:
        assert method == "POST"
        self._pushes.put(Push(target, {name.lower(): value for name, value in headers.items()}, body))
        self.hold.wait(WAIT_SECONDS)
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0], {}, b""


@contextmanager
def running() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    with answering(endpoint.answer) as endpoint.url:
        try:
            yield endpoint
        finally:
            endpoint.hold.set()
