"""The tables of docs/pubsub.md: every row is tested, and there is no other."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from google.api_core.exceptions import MethodNotImplemented

from contract.pubsub.backends import PROJECT, Backend, Names, text
from contract.pubsub.differences import PAGE, RULES

SOURCES = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
EMULATOR, _, SERVICE = PAGE.partition("## Differences from Google's emulator")[2].partition("\n## ")


def test_every_row_of_the_emulators_table_is_read_and_tested() -> None:
    assert len(RULES) == EMULATOR.count("\n| ") - 1
    assert [rule for rule in RULES if f'"{rule}"' not in SOURCES] == []


def topic(backend: Backend, names: Names, **fields: Any) -> Any:
    """As it comes back, after a message went through it."""
    backend.publisher.create_topic(request={"name": names.topic, **fields})
    backend.subscriber.create_subscription(name=names.subscription, topic=names.topic)
    backend.publish(names, "as it is")
    assert [text(one) for one in backend.pull(names.subscription, 1)] == ["as it is"]
    return backend.publisher.get_topic(topic=names.topic)


def short_deadline(backend: Backend, names: Names) -> None:
    backend.make(names, ack_deadline_seconds=1)
    assert backend.subscriber.get_subscription(subscription=names.subscription).ack_deadline_seconds == 1


def reserved_attribute(backend: Backend, names: Names) -> None:
    backend.make(names)
    backend.publish(names, "x", googclient_x="1")
    assert backend.pull(names.subscription, 1)[0].message.attributes == {"googclient_x": "1"}


def ingestion(backend: Backend, names: Names) -> None:
    stream = {"stream_arn": "a", "consumer_arn": "b", "aws_role_arn": "c", "gcp_service_account": "d"}
    got = topic(backend, names, ingestion_data_source_settings={"aws_kinesis": stream})
    assert got.ingestion_data_source_settings.aws_kinesis.stream_arn == "a"


def transforms(backend: Backend, names: Names) -> None:
    nothing = {"code": "function f(message, metadata) { return null }", "function_name": "f"}
    got = topic(backend, names, message_transforms=[{"javascript_udf": nothing}])
    assert got.message_transforms[0].javascript_udf.function_name == "f"


def key(backend: Backend, names: Names) -> None:
    assert topic(backend, names, kms_key_name="projects/p/key").kms_key_name == "projects/p/key"


def unimplemented(call: Callable[[Backend, Names], Any]) -> Callable[[Backend, Names], None]:
    def check(backend: Backend, names: Names) -> None:
        backend.make(names)
        with pytest.raises(MethodNotImplemented):
            call(backend, names)

    return check


PROTOBUF: Final = {
    "name": "",
    "type_": "PROTOCOL_BUFFER",
    "definition": 'syntax = "proto3"; message A { string a = 1; }',
}
SNAPSHOT: Final = {"snapshot": {"name": f"{PROJECT}/snapshots/none"}, "update_mask": {"paths": ["labels"]}}
SHARED: Final[dict[str, Callable[[Backend, Names], None]]] = {
    "an ack deadline is at least 10 s": short_deadline,
    "no attribute that is published begins with goog": reserved_attribute,
    "a topic ingests from other sources": ingestion,
    "a topic transforms its messages": transforms,
    "a topic has a key of Cloud KMS": key,
    "schemas are Avro or protobuf": unimplemented(
        lambda b, n: b.schemas.create_schema(request={"parent": PROJECT, "schema_id": "some", "schema": PROTOBUF})
    ),
    "a snapshot's labels can be changed": unimplemented(lambda b, n: b.subscriber.update_snapshot(request=SNAPSHOT)),
    "a subscription can be detached": unimplemented(
        lambda b, n: b.publisher.detach_subscription(request={"subscription": n.subscription})
    ),
    "topics, subscriptions and snapshots have access policies": unimplemented(
        lambda b, n: b.publisher.get_iam_policy(request={"resource": n.topic})
    ),
}


@pytest.mark.parametrize("row", SHARED)
def test_a_difference_from_the_service_is_one(backend: Backend, names: Names, row: str) -> None:
    SHARED[row](backend, names)


def test_every_row_of_the_services_table_is_tested() -> None:
    assert list(SHARED) == re.findall(r"^\| (.+?) \| .+ \|$", SERVICE, re.MULTILINE)[1:]
