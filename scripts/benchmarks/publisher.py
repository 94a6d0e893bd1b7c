"""Publishes events and waits for their predictions, as a program: `python -m benchmarks.publisher HOST PROJECT ROWS COUNT`.

A process of its own, with the client library that users have; the line it prints is JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from google.cloud import pubsub_v1

from benchmarks.protocols import alike
from benchmarks.storage import BUCKET
from modelserve_control import resources
from modelserve_control.resources import Names

WARM = 200  # events before those that are timed
LONGEST = 120.0  # seconds for one batch of events
AT_ONCE = 1000  # messages of one pull, the most that Pub/Sub gives


class Wrong(Exception):
    """The sentence says what came instead of the predictions."""


def publish(publisher: Any, topic: str, rows: list[Any], count: int) -> dict[str, int]:
    """One message a record, the rows over and over; gives the row of every message id."""
    bodies = [json.dumps(row).encode() for row in rows]
    futures = [publisher.publish(topic, bodies[number % len(bodies)]) for number in range(count)]
    return {future.result(LONGEST): number % len(bodies) for number, future in enumerate(futures)}


def predictions(subscriber: Any, subscription: str, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The source message id and the prediction event of every message in `wanted`, each once, whatever else comes.

    Raises Wrong when the time is over.
    """
    open_ids = set(wanted)
    end = time.monotonic() + LONGEST
    while open_ids:
        if time.monotonic() > end:
            raise Wrong(f"{len(wanted) - len(open_ids)} of {len(wanted)} predictions came within {LONGEST:g} s")
        received = subscriber.pull(subscription=subscription, max_messages=AT_ONCE, timeout=LONGEST).received_messages
        if received:
            subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
        for one in received:
            source = one.message.attributes["source_message_id"]
            if source in open_ids:
                open_ids.remove(source)
                yield source, one.message.data


def batch(clients: tuple[Any, Any], names: Names, known: Mapping[str, Any], count: int) -> float:
    """Seconds from the first message to the last prediction. Raises Wrong when one is not what pyfunc predicts."""
    publisher, subscriber = clients
    began = time.perf_counter()
    rows = publish(publisher, names.events, known["rows"], count)
    found = list(predictions(subscriber, names.predictions_pull, rows))
    seconds = time.perf_counter() - began
    for source, data in found:
        expected = known["expected"][rows[source]]
        if not alike([json.loads(data)["prediction"]["prediction"]], [expected]):
            raise Wrong(f"a prediction differs from that of mlflow.pyfunc: {data[:200].decode(errors='replace')}")
    return seconds


def main(host: str, project: str, rows: Path, count: int) -> None:
    os.environ["PUBSUB_EMULATOR_HOST"] = host
    names = Names(project, BUCKET)
    known = json.loads(rows.read_text())
    with pubsub_v1.PublisherClient() as publisher, resources.subscriber(host) as subscriber:
        batch((publisher, subscriber), names, known, WARM)
        print("warm", flush=True)
        sys.stdin.readline()
        print(json.dumps({"seconds": batch((publisher, subscriber), names, known, count)}), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    except Wrong as error:
        sys.exit(str(error))
