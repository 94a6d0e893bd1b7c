from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from modelserve.core.errors import SignatureMismatch
from modelserve.events.dead_letters import OWN_NAMES, describe_error, within_limits
from modelserve.events.publisher import MAX_ATTRIBUTES, MAX_VALUE, Publisher
from modelserve_control.local import resources
from pubsub_host import NAMES, host, pull

__all__ = ["host"]


@pytest.fixture
def publisher(host: str, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    return Publisher(timeout=60.0)


def test_a_dead_letter_keeps_its_attributes_within_the_limits_and_tells_why(publisher: Publisher, host: str) -> None:
    attributes = {"googclient_x": "1", "": "2", **{f"k{n}": "v" for n in range(MAX_ATTRIBUTES)}}
    reason = {"error_code": "BAD", "error_message": "é" * MAX_VALUE}
    made = within_limits(b"data", attributes, reason)
    asyncio.run(publisher.publish(NAMES.dead_letter, [(made.data, made.attributes)]))
    (message,) = pull(host, NAMES.dead_letter_pull)
    assert message.data == b"data"
    assert len(message.attributes) == MAX_ATTRIBUTES
    assert message.attributes["error_code"] == "BAD"
    assert message.attributes["error_message"] == "é" * (MAX_VALUE // 2)
    assert not {"googclient_x", ""} & set(message.attributes)


def test_a_dead_letter_that_was_one_before_says_only_why_it_is_one_now() -> None:
    before = dict.fromkeys(OWN_NAMES, "before") | {"team": "rides"}
    made = within_limits(b"data", before, {"error_code": "BAD", "source_message_id": "2"})
    assert made.attributes == {"team": "rides", "error_code": "BAD", "source_message_id": "2"}


def test_a_reason_of_a_whole_record_has_no_column() -> None:
    cells: list[dict[str, Any]] = [
        {"row": 0, "column": None, "reason": "nothing is there"},
        {"row": 0, "column": "x", "reason": "missing"},
    ]
    assert describe_error(SignatureMismatch("It does not fit.", cells)) == (
        "It does not fit. nothing is there; x: missing"
    )


def test_a_dead_letter_too_large_for_pubsub_says_what_it_was(publisher: Publisher, host: str) -> None:
    largest = within_limits(b"x" * 9_980_000, {"team": "rides"}, {})
    assert len(largest.data) == 9_980_000
    with resources.publisher(host) as topics:  # nobody subscribes to it
        topics.create_topic(name="projects/p/topics/large")
    asyncio.run(publisher.publish("projects/p/topics/large", [(largest.data, largest.attributes)]))

    data = b"x" * 10_000_000
    made = within_limits(data, {"team": "rides"}, {"error_code": "TOO_LARGE"})
    asyncio.run(publisher.publish(NAMES.dead_letter, [(made.data, made.attributes)]))
    (truncated,) = pull(host, NAMES.dead_letter_pull)
    assert truncated.data == data[:1_000_000]
    digest = hashlib.sha256(data).hexdigest()
    said = {"team": "rides", "error_code": "TOO_LARGE", "truncated": "true"}
    assert dict(truncated.attributes) == said | {"data_bytes": "10000000", "data_sha256": digest}
