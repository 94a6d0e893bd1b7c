from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

import pytest

from modelserve.core.errors import DeadlineExceeded, MalformedRequest, PublishFailed, ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.app import Events
from modelserve.events.envelopes import Message
from modelserve.events.results import Letter, Result
from signatures import signature
from tiny import WAIT_SECONDS, Holding, Tiny, loaded


class Kept:
    """Topics that take everything."""

    dead_letters = "projects/p/topics/dead"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def publish_all(self, name: str, results: Sequence[Result]) -> None:
        self.seen.extend(results)

    async def dead_letter(self, letters: Sequence[Letter]) -> None:
        self.seen.extend(letters)


class Away(Kept):
    async def publish_all(self, name: str, results: Sequence[Result]) -> None:
        raise PublishFailed("Pub/Sub is away.")


class NowhereElse(Kept):
    dead_letters = ""


class Unforeseen:
    """A signature that is at fault itself."""

    names = ("x",)
    columns = tensors = params = ()
    named = True

    def check(self, table: Any) -> NoReturn:
        raise KeyError("a bug")


def handle(message: Message, known: Any, results: Any, **more: str) -> Any:
    with loaded(Tiny(), known) as made:
        active: Any = Holding(made)
        events = Events(Settings.from_environ(more), active, Metrics(enabled=False), results)
        return asyncio.run(events.handle(message)).body


def test_results_go_out_before_dead_letters() -> None:
    kept = Kept()
    body = handle(Message(b'[7,{"x":1.0},8]', "m1"), signature(x="double"), lambda: kept)
    assert body == b'{"published":1,"dead_lettered":2}'
    assert [type(one) for one in kept.seen] == [Result, Letter, Letter]


def test_what_nobody_foresaw_about_a_message_is_a_dead_letter_and_no_endless_retry() -> None:
    kept = Kept()
    body = handle(Message(b'{"x":1.0}', "m1"), Unforeseen(), lambda: kept)
    assert body == b'{"published":0,"dead_lettered":1}'
    (letter,) = kept.seen
    assert (letter.data, letter.attributes["error_code"]) == (b'{"x":1.0}', "INTERNAL_ERROR")
    assert "a bug" not in str(letter.attributes)


@pytest.mark.parametrize(
    ("data", "results", "error"),
    [(b'{"x":1.0}', Away, PublishFailed), (b"poison", NowhereElse, MalformedRequest)],
    ids=["its results are not accepted", "it is bad and there is no dead letter topic"],
)
def test_a_message_that_is_sent_back_is_told_of(
    data: bytes, results: type[Kept], error: type[ServeError], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(error):
        handle(Message(data, "m1"), signature(x="double"), results)
    (line,) = caplog.records
    told = (line.message, line.__dict__["fields"])
    assert told == ("a message is sent back", {"message_id": "m1", "error_code": error.code})


def test_publishing_that_takes_too_long_ends_in_time() -> None:
    gate = threading.Event()

    def never() -> NoReturn:
        gate.wait(WAIT_SECONDS)
        raise AssertionError("nobody waits for this any more")

    short = {"PREDICT_TIMEOUT_SECONDS": "0.1", "PUBLISH_TIMEOUT_SECONDS": "0.1"}

    async def bounded() -> None:
        with loaded(Tiny(), signature(x="double")) as made:
            active: Any = Holding(made)
            events = Events(Settings.from_environ(short), active, Metrics(enabled=False), never)
            try:
                await events.handle(Message(b'{"x":1.0}', "m1"))
            finally:
                gate.set()

    with pytest.raises(DeadlineExceeded):
        asyncio.run(bounded())
