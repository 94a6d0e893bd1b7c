"""Publishes events and waits for their predictions, as a program:
`python -m benchmarks.publisher HOST PROJECT ROWS MESSAGES RECORDS`.

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
from modelserve.events.results import prediction_id
from modelserve_control.local import resources
from modelserve_control.local.resources import Names

WARM = 200  # records before those that are timed
LONGEST = 120.0  # seconds for one batch of events
AT_ONCE = 1000  # messages of one pull, the most that Pub/Sub gives


class Wrong(Exception):
    """The sentence says what came instead of the predictions."""


def publish(publisher: Any, topic: str, known: Mapping[str, Any], messages: int, records: int) -> dict[str, Any]:
    """Messages of so many records, the rows over and over. What is expected, by prediction id."""
    rows, expected = known["rows"], known["expected"]
    futures, wanted = [], []
    for number in range(messages):
        places = [(number * records + place) % len(rows) for place in range(records)]
        picked = [rows[place] for place in places]
        body = json.dumps(picked if records > 1 else picked[0]).encode()
        futures.append(publisher.publish(topic, body))
        wanted.append([expected[place] for place in places])
    return {
        prediction_id(future.result(LONGEST), place): value
        for future, values in zip(futures, wanted, strict=True)
        for place, value in enumerate(values)
    }


def predictions(subscriber: Any, subscription: str, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The id and the prediction event of every record in `wanted`, each once, whatever else comes.

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
            own = one.message.attributes["prediction_id"]
            if own in open_ids:
                open_ids.remove(own)
                yield own, one.message.data


def batch(clients: tuple[Any, Any], names: Names, known: Mapping[str, Any], messages: int, records: int) -> float:
    """Seconds from the first message to the last prediction. Raises Wrong when one is not what pyfunc predicts."""
    publisher, subscriber = clients
    began = time.perf_counter()
    expected = publish(publisher, names.events, known, messages, records)
    found = list(predictions(subscriber, names.predictions_pull, expected))
    seconds = time.perf_counter() - began
    for own, data in found:
        if not alike([json.loads(data)["prediction"]["prediction"]], [expected[own]]):
            raise Wrong(f"a prediction differs from that of mlflow.pyfunc: {data[:200].decode(errors='replace')}")
    return seconds


def main(host: str, project: str, rows: Path, messages: int, records: int) -> None:
    os.environ["PUBSUB_EMULATOR_HOST"] = host
    names = Names(project, BUCKET)
    known = json.loads(rows.read_text())
    with pubsub_v1.PublisherClient() as publisher, resources.subscriber(host) as subscriber:
        clients = (publisher, subscriber)
        batch(clients, names, known, -(-WARM // records), records)
        print("warm", flush=True)
        sys.stdin.readline()
        print(json.dumps({"seconds": batch(clients, names, known, messages, records)}), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:]))
    except Wrong as error:
        sys.exit(str(error))
