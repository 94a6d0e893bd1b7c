"""Publishes events and waits for their predictions: `python -m benchmarks.measure.publisher HOST PROJECT ROWS MESSAGES RECORDS`.

It runs in its own process and uses the client library that users have. It prints one line of JSON.
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

from benchmarks.servers.protocols import are_close
from benchmarks.servers.storage import BUCKET
from modelserve.events.results import prediction_id
from modelserve_control.local import resources
from modelserve_control.local.resources import Names

WARM_RECORDS = 200
MAX_SECONDS = 120.0  # for one batch of events
MAX_PULLED_MESSAGES = 1000  # the limit of Pub/Sub


class WrongPrediction(Exception):
    """A prediction is wrong or missing."""


def publish(publisher: Any, topic: str, known: Mapping[str, Any], messages: int, records: int) -> dict[str, Any]:
    """Publish messages that cycle through the rows. Returns the expected label of each prediction id."""
    rows, expected = known["rows"], known["expected"]
    futures, wanted = [], []
    for number in range(messages):
        places = [(number * records + place) % len(rows) for place in range(records)]
        picked = [rows[place] for place in places]
        body = json.dumps(picked if records > 1 else picked[0]).encode()
        futures.append(publisher.publish(topic, body))
        wanted.append([expected[place] for place in places])
    return {
        prediction_id(future.result(MAX_SECONDS), place): value
        for future, values in zip(futures, wanted, strict=True)
        for place, value in enumerate(values)
    }


def pull_predictions(subscriber: Any, subscription: str, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The id and the prediction event of each id in `wanted`, without duplicates and other events.

    Raises WrongPrediction after MAX_SECONDS.
    """
    open_ids = set(wanted)
    end = time.monotonic() + MAX_SECONDS
    while open_ids:
        if time.monotonic() > end:
            received_count = len(wanted) - len(open_ids)
            raise WrongPrediction(f"{received_count} of {len(wanted)} predictions arrived within {MAX_SECONDS:g} s")
        received = subscriber.pull(
            subscription=subscription, max_messages=MAX_PULLED_MESSAGES, timeout=MAX_SECONDS
        ).received_messages
        if received:
            subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
        for one in received:
            own = one.message.attributes["prediction_id"]
            if own in open_ids:
                open_ids.remove(own)
                yield own, one.message.data


def time_batch(clients: tuple[Any, Any], names: Names, known: Mapping[str, Any], messages: int, records: int) -> float:
    """Seconds from the first message to the last prediction. Raises WrongPrediction if one differs from pyfunc."""
    publisher, subscriber = clients
    began = time.perf_counter()
    expected = publish(publisher, names.events, known, messages, records)
    found = list(pull_predictions(subscriber, names.predictions_pull, expected))
    seconds = time.perf_counter() - began
    for own, data in found:
        if not are_close([json.loads(data)["prediction"]["prediction"]], [expected[own]]):
            raise WrongPrediction(
                f"a prediction differs from that of mlflow.pyfunc: {data[:200].decode(errors='replace')}"
            )
    return seconds


def main(host: str, project: str, rows: Path, messages: int, records: int) -> None:
    os.environ["PUBSUB_EMULATOR_HOST"] = host
    names = Names(project, BUCKET)
    known = json.loads(rows.read_text())
    with pubsub_v1.PublisherClient() as publisher, resources.subscriber(host) as subscriber:
        clients = (publisher, subscriber)
        time_batch(clients, names, known, -(-WARM_RECORDS // records), records)
        print("warm", flush=True)
        sys.stdin.readline()
        print(json.dumps({"seconds": time_batch(clients, names, known, messages, records)}), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:]))
    except WrongPrediction as error:
        sys.exit(str(error))
