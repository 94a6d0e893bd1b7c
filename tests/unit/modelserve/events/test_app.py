from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

import pytest

from modelserve.core.errors import DeadlineExceeded, MalformedRequest, ModelFailed, PublishFailed, ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.app import Events
from modelserve.events.dead_letters import DeadLetter
from modelserve.events.envelopes import Message
from modelserve.events.outbox import Outbox
from modelserve.events.results import Result
from modelserve.schema.batch import Batch
from signatures import signature
from tiny import WAIT_SECONDS, Holding, Tiny, double, loaded


class RecordingOutbox(Outbox):
    """Its topics accept everything."""

    dead_letters = "projects/p/topics/dead"

    def __init__(self, **settings: str) -> None:
        super().__init__(Settings.from_environ(settings), Metrics(enabled=False))
        self.seen: list[Any] = []

    def connect(self) -> None:
        self.connected = True

    async def publish(self, model: str, results: Sequence[Result]) -> None:
        self.seen.extend(results)

    async def send_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        self.seen.extend(dead_letters)


class UnavailableOutbox(RecordingOutbox):
    async def publish(self, model: str, results: Sequence[Result]) -> None:
        raise PublishFailed("Pub/Sub is away.")


class SlowOutbox(RecordingOutbox):
    """Takes many turns of the loop, so that what fails has failed before."""

    async def publish(self, model: str, results: Sequence[Result]) -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        await super().publish(model, results)


class OutboxWithoutDeadLetters(RecordingOutbox):
    dead_letters = ""


class Unforeseen:
    """A signature that is at fault itself."""

    names = ("x",)
    columns = tensors = params = ()
    named = True

    def check(self, table: Any) -> NoReturn:
        raise KeyError("a bug")


def handle(message: Message, known: Any, outbox: Outbox, **more: str) -> Any:
    with loaded(Tiny(), known) as made:
        active: Any = Holding(made)
        events = Events(Settings.from_environ(more), active, Metrics(enabled=False), outbox)
        return asyncio.run(events.handle([message])).body


def test_results_go_out_before_dead_letters() -> None:
    outbox = RecordingOutbox()
    body = handle(Message(b'[7,{"x":1.0},8]', "m1"), signature(x="double"), outbox)
    assert body == b'{"published":1,"dead_lettered":2}'
    assert [type(one) for one in outbox.seen] == [Result, DeadLetter, DeadLetter]


def test_what_nobody_foresaw_about_a_message_is_a_dead_letter_and_no_endless_retry() -> None:
    outbox = RecordingOutbox()
    body = handle(Message(b'{"x":1.0}', "m1"), Unforeseen(), outbox)
    assert body == b'{"published":0,"dead_lettered":1}'
    (dead_letter,) = outbox.seen
    assert (dead_letter.data, dead_letter.attributes["error_code"]) == (b'{"x":1.0}', "INTERNAL_ERROR")
    assert "a bug" not in str(dead_letter.attributes)


@pytest.mark.parametrize(
    ("data", "outbox", "error"),
    [(b'{"x":1.0}', UnavailableOutbox, PublishFailed), (b"poison", OutboxWithoutDeadLetters, MalformedRequest)],
    ids=["its results are not accepted", "it is bad and there is no dead letter topic"],
)
def test_a_message_that_is_sent_back_is_told_of(
    data: bytes, outbox: type[RecordingOutbox], error: type[ServeError], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(error):
        handle(Message(data, "m1"), signature(x="double"), outbox())
    (line,) = caplog.records
    assert (line.message, line.__dict__["fields"]) == (
        "a message is sent back",
        {"message_id": "m1", "error_code": error.code},
    )


def test_publishing_that_takes_too_long_ends_in_time() -> None:
    gate = threading.Event()

    class NeverConnected(RecordingOutbox):
        def connect(self) -> NoReturn:
            gate.wait(WAIT_SECONDS)
            raise AssertionError("nobody waits for this any more")

    short = {"PREDICT_TIMEOUT_SECONDS": "0.1", "PUBLISH_TIMEOUT_SECONDS": "0.1"}

    async def run_bounded() -> None:
        with loaded(Tiny(), signature(x="double")) as made:
            active: Any = Holding(made)
            events = Events(Settings.from_environ(short), active, Metrics(enabled=False), NeverConnected())
            try:
                await events.handle([Message(b'{"x":1.0}', "m1")])
            finally:
                gate.set()

    with pytest.raises(DeadlineExceeded):
        asyncio.run(run_bounded())


def test_messages_that_arrive_together_are_scored_together_and_each_gets_its_own() -> None:
    runtime = Tiny()

    async def push() -> list[bytes]:
        with loaded(runtime, signature(x="double")) as made:
            active: Any = Holding(made)
            events = Events(Settings.from_environ({}), active, Metrics(enabled=False), outbox)
            bodies = [b'{"x":1}', b"poison", b'[{"x":2},{"x":3}]']
            answers = await asyncio.gather(*(events.handle([Message(body, f"m{n}")]) for n, body in enumerate(bodies)))
            return [bytes(answer.body) for answer in answers]

    outbox = RecordingOutbox()
    assert asyncio.run(push()) == [
        b'{"published":1,"dead_lettered":0}',
        b'{"published":0,"dead_lettered":1}',
        b'{"published":2,"dead_lettered":0}',
    ]
    assert runtime.sizes == [3]
    assert Counter(one.attributes["source_message_id"] for one in outbox.seen) == {"m0": 1, "m1": 1, "m2": 2}


def test_of_a_batch_what_can_be_delivered_is_before_the_batch_is_asked_for_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(batch: Batch) -> Any:
        if (batch.columns["x"] == 2).any():
            raise ValueError("two")
        return double(batch)

    async def push() -> None:
        with loaded(Tiny(fails), signature(x="double")) as made:
            active: Any = Holding(made)
            events = Events(Settings.from_environ({}), active, Metrics(enabled=False), outbox)
            await events.handle([Message(body, f"m{n}") for n, body in enumerate([b'{"x":1}', b'{"x":2}', b"poison"])])

    outbox = SlowOutbox()
    with pytest.raises(ModelFailed):
        asyncio.run(push())
    assert {type(one): one.attributes["source_message_id"] for one in outbox.seen} == {Result: "m0", DeadLetter: "m2"}
    sent_back = [line for line in caplog.records if line.message == "a message is sent back"]
    assert [line.__dict__["fields"]["message_id"] for line in sent_back] == ["m0", "m1", "m2"]


def test_an_empty_batch_is_acked() -> None:
    async def push() -> bytes:
        with loaded(Tiny(), signature(x="double")) as made:
            active: Any = Holding(made)
            events = Events(Settings.from_environ({}), active, Metrics(enabled=False), RecordingOutbox())
            return bytes((await events.handle([])).body)

    assert asyncio.run(push()) == b'{"published":0,"dead_lettered":0}'
