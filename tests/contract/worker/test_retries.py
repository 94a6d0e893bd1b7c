"""What may pass comes again, as the subscription says, and is recognised by its prediction id."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.api_core.exceptions import NotFound

from hosting import QUICK, hosting, pulled, working
from http_server import WAIT_SECONDS
from modelserve.events.results import prediction_id
from serving import PATIENT, Served

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds


def test_a_model_that_raises_is_ended_by_the_policy_and_spoils_no_other(models: Library, tmp_path: Path) -> None:
    with pulled("raising") as pulls, working(models, "raising", pulls, tmp_path):
        bodies = [
            b'{"x": %d, "marked": %s}' % (number, b"true" if number % 10 == 0 else b"false") for number in range(100)
        ]
        ids = pulls.publish(*bodies)
        assert {one.attributes["source_message_id"] for one in pulls.predictions(90)} == set(ids) - set(ids[::10])
        dead = pulls.dead_letters(10)
        assert sorted(one.data for one in dead) == sorted(bodies[::10])
        assert {one.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] for one in dead} == {"5"}


def test_without_a_topic_to_publish_to_messages_come_again_until_there_is_one(models: Library, tmp_path: Path) -> None:
    with pulled("away", dead_letter_policy={}) as pulls:
        topic, later = pulls.names.topic("later"), pulls.names.subscription("later")
        more = {"PREDICTIONS_TOPIC": topic, "PUBLISH_TIMEOUT_SECONDS": "1"}
        with working(models, "two_outputs", pulls, tmp_path, **more) as worker:
            ids = pulls.publish(*(b'{"x": %d}' % number for number in range(50)))
            worker.child.wait_until(lambda: worker.child.log.read_text().count("a message is sent back") > 100)
            # A topic without a subscription loses what is published to it meanwhile.
            os.kill(worker.child.pid, signal.SIGSTOP)
            for _ in range(20):  # what the worker sent before is answered by then
                with pytest.raises(NotFound):
                    pulls.publisher.get_topic(topic=topic)
            pulls.publisher.create_topic(name=topic)
            pulls.subscriber.create_subscription(name=later, topic=topic)
            os.kill(worker.child.pid, signal.SIGCONT)
            missing = {prediction_id(message_id, 0) for message_id in ids}
            while missing:  # where Pub/Sub takes a second to say that it has one, the same comes again
                missing -= {one.attributes["prediction_id"] for one in pulls._take(later, 1)}
            worker.child.wait_until(lambda: outcomes(worker).get("published", 0) >= len(ids))
            worker.child.terminate()
            assert worker.child.wait(WAIT_SECONDS)
        assert pulls.left() == 0


def test_exactly_once_acks_are_confirmed(models: Library, tmp_path: Path) -> None:
    with pulled("once", enable_exactly_once_delivery=True) as pulls:
        with working(models, "two_outputs", pulls, tmp_path) as worker:
            ids = pulls.publish(*(b'{"x": %d}' % number for number in range(300)))
            seen = pulls.predictions(300)
            assert Counter(one.attributes["source_message_id"] for one in seen) == Counter(ids)
            worker.child.wait_until(lambda: outcomes(worker) == {"published": 300})
        assert pulls.left() == 0


def test_an_ack_that_is_refused_is_told_and_the_worker_pulls_again(models: Library, tmp_path: Path) -> None:
    """The subscription is made anew while a message is being scored: its ack is of a message that nobody knows."""
    gate = tmp_path / "gate"
    with pulled("refused", enable_exactly_once_delivery=True) as pulls:
        settings = {"MODEL_URI": str(models.slow(gate)), "MODEL_TRUST": "pickle", **PATIENT, **pulls.settings}
        with hosting("worker", tmp_path / "log", settings) as worker:
            (first,) = pulls.publish(b'{"x": 1.0, "seconds": 0.0}')
            worker.child.wait_until(gate.with_name("gate.calls").exists)
            request = {"name": pulls.subscription, "topic": pulls.names.events, "retry_policy": QUICK}
            pulls.subscriber.delete_subscription(subscription=pulls.subscription)
            pulls.subscriber.create_subscription(request=request | {"enable_exactly_once_delivery": True})
            gate.touch()
            worker.child.wait_until(lambda: outcomes(worker).get("ack_refused") == 1)
            (second,) = pulls.publish(b'{"x": 2.0, "seconds": 0.0}')
            assert {one.attributes["source_message_id"] for one in pulls.predictions(2)} == {first, second}


def outcomes(worker: Served) -> dict[str, int]:
    text = worker.client.get("/metrics").text
    found = re.findall(r'^modelserve_events_total\{outcome="(\w+)"\} ([\d.]+)$', text, re.MULTILINE)
    return {name: int(float(count)) for name, count in found}


def test_a_slow_message_spoils_none_that_was_scored_with_it(models: Library, tmp_path: Path) -> None:
    """All are there before the worker is. The slow one takes a little longer than a request may, and what is sent back
    comes again when the test is long over."""
    gate = tmp_path / "gate"
    gate.touch()
    late = {"minimum_backoff": timedelta(seconds=600), "maximum_backoff": timedelta(seconds=600)}
    with pulled("slow", retry_policy=late) as pulls:
        bodies = [b'{"x": %d, "seconds": %b}' % (number, b"5.2" if number == 20 else b"0.0") for number in range(40)]
        ids = pulls.publish(*bodies)
        settings = {"MODEL_URI": str(models.slow(gate)), "MODEL_TRUST": "pickle", **pulls.settings}
        with hosting("worker", tmp_path / "log", settings | {"PREDICT_TIMEOUT_SECONDS": "5"}) as worker:
            seen = pulls.predictions(39)
            assert Counter(one.attributes["source_message_id"] for one in seen) == Counter(ids[:20] + ids[21:])
            worker.child.wait_until(lambda: outcomes(worker) == {"published": 39, "retry": 1})


def test_of_many_slow_messages_only_a_few_are_waited_for(models: Library, tmp_path: Path) -> None:
    """All of them come again, and are answered once the model is as fast as it should be."""
    gate = tmp_path / "gate"
    with pulled("slower", dead_letter_policy={}) as pulls:
        settings = {"MODEL_URI": str(models.slow(gate)), "MODEL_TRUST": "pickle", **pulls.settings}
        with hosting("worker", tmp_path / "log", settings | {"PREDICT_TIMEOUT_SECONDS": "0.5"}) as worker:
            ids = pulls.publish(*(b'{"x": %d, "seconds": 0.0}' % number for number in range(40)))
            worker.child.wait_until(lambda: outcomes(worker).get("retry", 0) >= len(ids))
            gate.touch()
            assert {one.attributes["source_message_id"] for one in pulls.predictions(40)} == set(ids)
