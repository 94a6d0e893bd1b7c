"""What waits is begun as soon as anything can be begun, whatever else is still being worked on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

from modelserve.core.errors import MalformedRequest, ModelFailed, PublishFailed
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.envelopes import Message
from modelserve.events.messages import MessageScorer, Outcome
from modelserve.events.outbox import Outbox, ScoredMessage
from modelserve.events.records import RejectedRecord
from modelserve.events.results import Result, make_result
from modelserve.events.worker import MAX_GROUPS, MAX_MESSAGES, Worker
from modelserve.models.active import ActiveModel
from tiny import run


@dataclass(frozen=True)
class Waiting:
    size: int = 1


def worker_arguments() -> tuple[Settings, str, ActiveModel, MessageScorer, Outbox]:
    settings, metrics = Settings.from_environ({}), Metrics(enabled=False)
    active, scorer = ActiveModel(settings, metrics), MessageScorer(settings, metrics)
    return settings, "s", active, scorer, Outbox(settings, metrics)


class RecordingWorker(Worker):
    """Notes what is begun. Work is never done, as publishing is while Pub/Sub takes nothing, unless it is `instant`."""

    def __init__(self, instant: bool = False) -> None:
        super().__init__(*worker_arguments())
        self.begun: list[int] = []
        self.instant = instant

    async def work(self, pulled: Sequence[Any]) -> bool:
        self.begun.append(len(pulled))
        if not self.instant:
            await asyncio.Event().wait()
        return True


def begun(*arrivals: int) -> list[int]:
    """How many messages were begun together, when so many arrive one after the other."""

    async def run() -> list[int]:
        worker = RecordingWorker()
        for count in arrivals:
            worker.receive([Waiting() for _ in range(count)])
            for _ in range(2):  # the groups of this turn are begun in the next
                await asyncio.sleep(0)
        await worker.stop()
        return worker.begun

    return asyncio.run(run())


def test_a_message_does_not_wait_for_the_one_before_it_while_a_lane_is_free() -> None:
    assert begun(*[1] * (MAX_GROUPS + 2)) == [1] * MAX_GROUPS


def test_messages_that_arrive_together_are_worked_on_together() -> None:
    assert begun(3, MAX_MESSAGES + 5) == [3, MAX_MESSAGES, 5]


def test_a_message_that_comes_as_a_lane_ends_is_begun() -> None:
    async def run() -> list[int]:
        worker = RecordingWorker(instant=True)
        worker.receive([Waiting()])
        # After the lane has looked for more, and before anybody has been told that it ended.
        asyncio.get_running_loop().call_soon(worker.receive, [Waiting()])
        for _ in range(5):
            await asyncio.sleep(0)
        return worker.begun

    assert asyncio.run(run()) == [1, 1]


class Leased:
    """A message of Pub/Sub's client; `ends` is what was made of its lease."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def ack_with_response(self) -> Future[None]:
        self.ends.append("ack")
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def nack(self) -> None:
        self.ends.append("nack")


def test_a_message_that_comes_after_the_stop_goes_to_another_worker() -> None:
    """The client hands over what it has held back while the stream is being closed."""

    async def run() -> tuple[list[int], list[str]]:
        worker, late = RecordingWorker(), Leased()
        worker.receive([Waiting()])
        await worker.stop()
        worker.receive([late])
        await asyncio.sleep(0)
        return worker.begun, late.ends

    assert asyncio.run(run()) == ([], ["nack"])


RESULT = make_result("m", "1", {"prediction": 1}, "m1", "m1", 0)


class OutboxWithoutDeadLetters(Outbox):
    dead_letters = ""
    available = True

    async def publish(self, model: str, results: Sequence[Result]) -> None:
        if not self.available:
            raise PublishFailed("Pub/Sub is away.")


@pytest.mark.parametrize(
    ("outcome", "available", "end"),
    [
        (ScoredMessage("m", [RESULT], []), True, "ack"),
        (ScoredMessage("m", [RESULT], []), False, "nack"),
        (ScoredMessage("m", [], []), True, "nack"),
        (
            ScoredMessage(
                "m", [], [RejectedRecord(None, b"x", MalformedRequest("It is bad, and there is nowhere to keep it."))]
            ),
            True,
            "nack",
        ),
        (ModelFailed("The model raised."), True, "nack"),
    ],
    ids=["published", "not published", "nothing", "nowhere to keep it", "not scored"],
)
def test_a_message_is_acked_only_when_all_of_it_is_safe(outcome: Outcome, available: bool, end: str) -> None:
    settings, subscription, active, scorer, _ = worker_arguments()
    outbox = OutboxWithoutDeadLetters(settings, scorer.metrics)
    outbox.connected, outbox.available = True, available
    worker = Worker(settings, subscription, active, scorer, outbox)
    leased = Leased()
    run(worker.settle(leased, Message(b"x", "m1"), outcome, None))
    assert leased.ends == [end]
