"""R15: no message is tried without end. The event function behind a push subscription, in virtual time: hours pass at once."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pytest

from modelserve.core.errors import ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events import messages
from modelserve.events.app import Events
from modelserve.events.dead_letters import DeadLetter
from modelserve.events.envelopes import parse
from modelserve.events.outbox import Outbox
from modelserve.events.results import Result
from modelserve.schema.batch import Batch
from modelserve_control.local.pubsub.topics.broker import Broker
from modelserve_control.local.pubsub.topics.messages import Delivery
from modelserve_control.local.pubsub.topics.policies import DeadLetterPolicy, RetryPolicy, TopicConfig
from signatures import signature
from tiny import Holding, Tiny, loaded
from unit.modelserve_control.local.pubsub.clocks import DEAD, SUBSCRIPTION, TOPIC, Clock, Watcher, config, message

PREDICTIONS: Final = "projects/p/topics/predictions"
BURIED: Final = "projects/p/topics/buried"  # what the subscription's own policy ends
BEGAN: Final = 1_700_000_000.0
HOUR: Final = 3_600.0
BACKOFF: Final = RetryPolicy(10.0, 600.0)
GOOD: Final = '{"x": 1.0}'


@dataclass
class Simulation:
    """One function, its subscription and its topics. `fails_until` is when its model begins to answer."""

    events: Events
    broker: Broker
    clock: Clock
    runner: asyncio.Runner
    publish_time: Any = None
    attempts: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Until nothing is left to deliver, or so much time has passed."""
        held, end = self.broker.backlog(SUBSCRIPTION), self.clock.now + seconds
        while self.clock.now <= end:
            for delivery in held.lease(1):
                self.attempts.append(self.clock.now)
                if self.push(delivery):
                    held.ack([delivery.ack_id])
                else:
                    held.modify([delivery.ack_id], 0)
            if held.ready:
                continue
            due = held.next_due()
            if due is None:
                return
            self.clock.now = max(due, self.clock.now)
            held.tick()

    def push(self, delivery: Delivery) -> bool:
        """Whether it is acked."""
        sent = delivery.message
        published = (
            datetime.fromtimestamp(sent.published, UTC).isoformat() if self.publish_time is None else self.publish_time
        )
        inner = {"data": base64.b64encode(sent.data).decode(), "messageId": sent.message_id, "publishTime": published}
        body = {"message": inner | {"attributes": dict(sent.attributes)}, "deliveryAttempt": delivery.attempt}
        try:
            self.runner.run(self.events.handle(parse({}, json.dumps(body).encode(), 1)))
        except ServeError:
            return False
        return True

    def take(self, topic: str) -> list[Delivery]:
        return self.broker.backlog(pull(topic)).lease(1_000)

    def codes(self) -> list[str]:
        return [one.message.attributes["error_code"] for one in self.take(DEAD)]


def pull(topic: str) -> str:
    return topic.replace("topics", "subscriptions") + "-pull"


class BrokerOutbox(Outbox):
    """Publishes to the broker without a client."""

    dead_letters = DEAD

    def __init__(self, broker: Broker, predictions: str) -> None:
        super().__init__(Settings.from_environ({}), Metrics(enabled=False))
        self.broker = broker
        self.predictions = predictions
        self.connected = True

    async def publish(self, model: str, results: Sequence[Result]) -> None:
        for result in results:
            self.broker.publish(self.predictions, [message(result.body.decode(), **result.attributes)])

    async def send_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        for one in dead_letters:
            self.broker.publish(DEAD, [message(one.data.decode(), **one.attributes)])


@contextmanager
def simulate(
    monkeypatch: pytest.MonkeyPatch,
    fails_until: float = 0.0,
    predictions: str = PREDICTIONS,
    attempts: int = 0,
    **more: str,
) -> Iterator[Simulation]:
    """`attempts`: after how many the subscription's own policy ends a message; 0 for never."""
    clock = Clock()
    began = clock.now
    broker = Broker(Watcher(), clock, lambda: BEGAN + clock.now - began)
    for topic in (TOPIC, DEAD, PREDICTIONS, BURIED):
        broker.create_topic(TopicConfig(topic))
        if topic != TOPIC:
            broker.create_subscription(config(name=pull(topic), topic=topic))
    policy = DeadLetterPolicy(BURIED, attempts) if attempts else None
    broker.create_subscription(config(retry=BACKOFF, dead_letter=policy))

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(BEGAN + clock.now - began, tz)

    def answer(batch: Batch) -> Any:
        if clock.now - began < fails_until:
            raise RuntimeError("not yet")
        return np.asarray(batch.columns["x"]) * 2

    monkeypatch.setattr(messages, "datetime", Now)
    with loaded(Tiny(answer), signature(x="double")) as made, asyncio.Runner() as runner:
        active: Any = Holding(made)
        outbox = BrokerOutbox(broker, predictions)
        events = Events(Settings.from_environ(more), active, Metrics(enabled=False), outbox)
        yield Simulation(events, broker, clock, runner)


TIMES: Final = [None, "", "soon", 7, "2023-11-14T22:13:20", "2999-01-01T00:00:00Z"]


@pytest.mark.parametrize("published", TIMES, ids=["true", "missing", "no time", "a number", "naive", "future"])
@pytest.mark.parametrize(("data", "code"), [("poison", "MALFORMED_REQUEST"), ('{"x": "far"}', "SIGNATURE_MISMATCH")])
def test_what_can_never_pass_is_tried_once(
    monkeypatch: pytest.MonkeyPatch, data: str, code: str, published: Any
) -> None:
    with simulate(monkeypatch) as made:
        made.publish_time = published
        made.broker.publish(TOPIC, [message(data)])
        made.run(24 * HOUR)
        assert (len(made.attempts), made.codes(), made.take(PREDICTIONS)) == (1, [code], [])


@pytest.mark.parametrize("published", TIMES, ids=["true", "missing", "no time", "a number", "naive", "future"])
def test_what_is_good_is_answered_at_once_whatever_its_time_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, published: Any
) -> None:
    with simulate(monkeypatch) as made:
        made.publish_time = published
        made.broker.publish(TOPIC, [message(GOOD)])
        made.run(24 * HOUR)
        assert (len(made.attempts), len(made.take(PREDICTIONS)), made.codes()) == (1, 1, [])


def test_what_heals_after_two_hours_is_answered_once_and_not_asked_for_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with simulate(monkeypatch, fails_until=2 * HOUR) as made:
        made.broker.publish(TOPIC, [message(GOOD)])
        made.run(24 * HOUR)
        pauses = np.diff(made.attempts)
        assert len(made.take(PREDICTIONS)) == 1
        assert made.codes() == []
    assert list(pauses[:7]) == [10, 20, 40, 80, 160, 320, 600]
    assert set(pauses[7:]) == {600}
    assert 2 * HOUR <= made.attempts[-1] - made.attempts[0] <= 2 * HOUR + 600


def test_what_does_not_heal_is_kept_with_its_reason_when_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulate(monkeypatch, fails_until=1_000 * HOUR, EVENT_MAX_AGE_SECONDS="86400") as made:
        made.broker.publish(TOPIC, [message(GOOD)])
        made.run(100 * HOUR)
        assert made.codes() == ["EVENT_TOO_OLD"]
        assert made.take(PREDICTIONS) == []
    assert 24 * HOUR <= made.attempts[-1] - made.attempts[0] <= 24 * HOUR + 600
    assert len(made.attempts) < 160


@pytest.mark.parametrize("published", TIMES[1:4], ids=["missing", "no time", "a number"])
def test_what_does_not_heal_and_has_no_age_is_ended_by_the_subscription(
    monkeypatch: pytest.MonkeyPatch, published: Any
) -> None:
    with simulate(monkeypatch, fails_until=1_000 * HOUR, attempts=5) as made:
        made.publish_time = published
        made.broker.publish(TOPIC, [message(GOOD)])
        made.run(100 * HOUR)
        assert [one.message.data for one in made.take(BURIED)] == [GOOD.encode()]
    assert len(made.attempts) == 5


def test_a_function_that_publishes_to_its_own_topic_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its predictions are no records of its model, so the first of them is the last."""
    with simulate(monkeypatch, predictions=TOPIC) as made:
        made.broker.publish(TOPIC, [message(GOOD)])
        made.run(24 * HOUR)
        assert (len(made.attempts), made.codes()) == (2, ["SIGNATURE_MISMATCH"])
