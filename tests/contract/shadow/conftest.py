"""Both runtimes, and a topic for differences."""

from __future__ import annotations

import pytest

from contract.events.conftest import topics
from contract.events.topics import Topics
from contract.shadow.shadows import Differences
from contract.twins import functions

__all__ = ["differences", "functions", "topics"]


@pytest.fixture(scope="module")
def differences(topics: Topics) -> Differences:
    topic, subscription = topics.names.topic("differences"), topics.names.subscription("differences-pull")
    topics.publisher.create_topic(request={"name": topic})
    topics.subscriber.create_subscription(request={"name": subscription, "topic": topic})
    return Differences(topics, topic, subscription)
