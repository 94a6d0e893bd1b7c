"""A Pub/Sub server of a module's own, with the kit's topics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from http_server import WAIT_SECONDS
from modelserve_control.local import resources
from modelserve_control.local.pubsub import server
from modelserve_control.local.resources import Names

NAMES: Final = Names("p", "b")


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The value of PUBSUB_EMULATOR_HOST."""
    with server.serve_in_thread() as running:
        resources.make_topics(running, NAMES)
        yield running


def pull(host: str, subscription: str, count: int = 1) -> list[Any]:
    """So many messages, and whatever else came with them, acked."""
    found: list[Any] = []
    end = time.monotonic() + WAIT_SECONDS
    with resources.subscriber(host) as subscriber:
        while len(found) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} messages came within {WAIT_SECONDS:g} s"
            received = subscriber.pull(subscription=subscription, max_messages=1_000, timeout=30).received_messages
            subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
            found += [one.message for one in received]
    return found
