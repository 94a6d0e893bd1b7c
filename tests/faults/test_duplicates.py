"""1,000 messages, each delivered one to five times, and poison among them: one value per id, one dead letter each."""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
from google.pubsub_v1 import PubsubMessage

from contract.events.topics import Topics, push_body
from modelserve_control.local import resources
from modelserve_control.local.resources import Delivery, Names
from pubsub_host import serve_in_thread
from serving import PATIENT, Functions, Served, release, serving

MESSAGES = 1_000
POISON = 20
# Seconds that no push needs: what is given up comes again, and is counted.
DELIVERY = Delivery(ack_deadline=600, minimum_backoff=0.01, maximum_backoff=0.05)


def test_a_thousand_messages_delivered_one_to_five_times(functions: Functions, tmp_path: Path) -> None:
    """R12: in any order, eight at a time, to two processes that share a bucket of results."""
    store, bucket = tmp_path / "store", tmp_path / "results"
    bucket.mkdir()
    release(store, "linear", functions.models.path("two_outputs"))
    names = Names("duplicates", "duplicates")
    dice = random.Random(7)
    bodies = [push_body({"x": float(number)}, f"m{number}") for number in range(MESSAGES)]
    deliveries = [body for body in bodies for _ in range(dice.randint(1, 5))]
    dice.shuffle(deliveries)
    with serve_in_thread() as host:
        resources.make_topics(host, names)
        with resources.subscriber(host) as subscriber, resources.publisher(host) as publisher:
            topics = Topics(host, names, subscriber, publisher)
            settings = {"MODEL_URI": f"{store}/models/linear@champion", "MODEL_TRUST": "pickle", **PATIENT}
            settings |= topics.settings | {"RESULTS_BUCKET": str(bucket)}
            with (
                serving(tmp_path / "one.log", settings, "predict_event", "/health/ready") as one,
                serving(tmp_path / "two.log", settings, "predict_event", "/health/ready") as two,
                ThreadPoolExecutor(8) as pool,
            ):
                turns = itertools.cycle([one, two])
                statuses = Counter(pool.map(deliver, deliveries, turns))
            seen = topics.predictions(len(deliveries))
            dead = topics.dead_letters(0)
    assert statuses == {200: len(deliveries)}
    assert dead == []
    values = defaultdict(set)
    for message in seen:
        values[message.event["prediction_id"]].add(message.data)
    assert len(values) == MESSAGES
    stored = {path.stem: {path.read_bytes()} for path in (bucket / "results/linear").glob("*.json")}
    assert values == stored, "one value for each, and it is the one that was stored"


def deliver(body: object, served: Served) -> int:
    """Again when the connection breaks, as Pub/Sub does: the host closes one that was idle for two seconds, also when the
    next request is on its way."""
    for _ in range(4):
        with suppress(httpx.TransportError):
            return served.post("/", body).status_code
    return served.post("/", body).status_code


def test_poison_is_pushed_once_and_kept_once(functions: Functions, tmp_path: Path) -> None:
    """Through the push subscription itself: published, pushed, judged and acked."""
    names = Names("poison", "poison")
    with serve_in_thread() as host:
        resources.make_topics(host, names)
        with resources.subscriber(host) as subscriber, resources.publisher(host) as publisher:
            topics = Topics(host, names, subscriber, publisher)
            settings = {"MODEL_URI": str(functions.models.path("raising")), "MODEL_TRUST": "pickle", **PATIENT}
            with serving(tmp_path / "log", settings | topics.settings, "predict_event", "/health/ready") as served:
                resources.make_push(host, names, served.url + "/", DELIVERY)
                good = [b'{"x": %d, "marked": false}' % number for number in range(POISON)]
                poison = [b"poison %d" % number for number in range(POISON)]
                raising = [b'{"x": %d, "marked": true}' % number for number in range(POISON)]
                for data in good + poison + raising:
                    publisher.publish(topic=names.events, messages=[PubsubMessage(data=data)])
                assert len(topics.predictions(POISON)) == POISON
                dead = topics.dead_letters(2 * POISON)
    by_reason = {one.data: one.attributes.get("error_code", "the subscription's policy") for one in dead}
    assert by_reason == dict.fromkeys(poison, "MALFORMED_REQUEST") | dict.fromkeys(raising, "the subscription's policy")
    counts = [int(one.attributes["CloudPubSubDeadLetterSourceDeliveryCount"]) for one in dead if one.data in raising]
    assert counts == [5] * POISON
