"""A Pub/Sub server, its topics, and event functions that publish to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.events.topics import Topics
from contract.twins import functions
from modelserve_control.local import resources
from modelserve_control.local.resources import Names
from pubsub_host import serve_in_thread
from serving import Functions, Served

__all__ = ["functions", "rides", "topics"]

RIDE_FIELDS = {"EVENT_FEATURES_FIELD": "ride", "EVENT_ID_FIELD": "ride_id"}


@pytest.fixture(scope="module")
def topics() -> Iterator[Topics]:
    with serve_in_thread() as host:
        names = Names("contract", "contract")
        resources.make_topics(host, names)
        with resources.subscriber(host) as subscriber, resources.publisher(host) as publisher:
            yield Topics(host, names, subscriber, publisher)


@pytest.fixture(scope="module")
def rides(functions: Functions, topics: Topics) -> Served:
    """The ride model behind `predict_event`."""
    presentation = {"label": "ride_duration"}
    return functions("ride_duration", "predict_event", presentation, **topics.settings, **RIDE_FIELDS)
