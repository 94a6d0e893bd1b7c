"""Schemas as Google's own client uses them: made, revised, put on a topic, and checked when something is published."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import fastavro
import pytest
from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, NotFound

from contract.pubsub import differences
from contract.pubsub.backends import PROJECT, Backend, Names

CITY: dict[str, Any] = {"type": "record", "name": "City", "fields": [{"name": "name", "type": "string"}]}
SIZED = {**CITY, "fields": [*CITY["fields"], {"name": "size", "type": ["null", "int"], "default": None}]}
LONDON = b'{"name": "London"}'


def binary(schema: Any, value: Any) -> bytes:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(schema), value)
    return written.getvalue()


def avro(definition: Any) -> dict[str, Any]:
    return {"name": "", "type_": "AVRO", "definition": json.dumps(definition)}


def make(backend: Backend, definition: Any = CITY) -> Any:
    request = {"parent": PROJECT, "schema_id": f"s-{uuid.uuid4().hex}", "schema": avro(definition)}
    return backend.schemas.create_schema(request=request)


def commit(backend: Backend, schema: Any, definition: Any) -> Any:
    made = avro(definition) | {"name": schema.name}
    return backend.schemas.commit_schema(request={"name": schema.name, "schema": made})


def subscribe(backend: Backend, names: Names, **settings: Any) -> None:
    backend.publisher.create_topic(request={"name": names.topic, "schema_settings": settings})
    backend.subscriber.create_subscription(name=names.subscription, topic=names.topic)


def status(backend: Backend, **request: Any) -> str:
    try:
        backend.schemas.validate_message(request={"parent": PROJECT, "encoding": "JSON", **request})
    except GoogleAPICallError as error:
        return str(getattr(error.grpc_status_code, "name", error.code))
    return "OK"


def test_a_schema_is_made_listed_and_deleted(backend: Backend) -> None:
    made = make(backend)
    got = backend.schemas.get_schema(request={"name": made.name})
    assert (got.name, json.loads(got.definition), got.revision_id) == (made.name, CITY, made.revision_id)
    assert backend.schemas.get_schema(request={"name": made.name, "view": "BASIC"}).definition == ""
    listed = [schema.name for schema in backend.schemas.list_schemas(request={"parent": PROJECT})]
    assert made.name in listed
    backend.schemas.delete_schema(request={"name": made.name})
    with pytest.raises(NotFound):
        backend.schemas.get_schema(request={"name": made.name})


def test_a_schema_has_revisions(backend: Backend) -> None:
    first = make(backend)
    second = commit(backend, first, SIZED)
    assert json.loads(backend.schemas.get_schema(request={"name": first.name}).definition) == SIZED
    one = backend.schemas.get_schema(request={"name": f"{first.name}@{first.revision_id}"})
    assert json.loads(one.definition) == CITY
    third = backend.schemas.rollback_schema(request={"name": first.name, "revision_id": first.revision_id})
    assert json.loads(third.definition) == CITY
    ids = [one.revision_id for one in backend.schemas.list_schema_revisions(request={"name": first.name})]
    assert ids == [first.revision_id, second.revision_id, third.revision_id]
    backend.schemas.delete_schema_revision(request={"name": f"{first.name}@{second.revision_id}"})
    left = [one.revision_id for one in backend.schemas.list_schema_revisions(request={"name": first.name})]
    assert left == [first.revision_id, third.revision_id]


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "what is no JSON": ("INVALID_ARGUMENT", {"schema": {"name": "", "type_": "AVRO", "definition": "{"}}),
    "a type that Avro does not have": ("INVALID_ARGUMENT", {"schema": avro({**CITY, "fields": [{"name": "a", "type": "b"}]})}),
    "no type": ("INVALID_ARGUMENT", {"schema": {"name": "", "definition": json.dumps(CITY)}}),
    "protobuf": ("UNIMPLEMENTED", {"schema": {"name": "", "type_": "PROTOCOL_BUFFER", "definition": 'syntax = "proto3";'}}),
    "a short name": ("INVALID_ARGUMENT", {"schema_id": "ab"}),
    "a name of Google's": ("INVALID_ARGUMENT", {"schema_id": "googol"}),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_schema_is_refused(backend: Backend, case: str) -> None:
    expected, request = REFUSED[case]
    with pytest.raises(GoogleAPICallError) as caught:
        backend.schemas.create_schema(
            request={"parent": PROJECT, "schema_id": f"s-{uuid.uuid4().hex}", "schema": avro(CITY), **request}
        )
    assert getattr(caught.value.grpc_status_code, "name", "") == expected


MESSAGES: list[tuple[str, bytes, str]] = [
    ("JSON", LONDON, "OK"),
    ("JSON", b'{"name": "London", "more": 1}', "OK"),
    ("JSON", b"{}", "INVALID_ARGUMENT"),
    ("JSON", b'{"name": 1}', "INVALID_ARGUMENT"),
    ("JSON", b"[]", "INVALID_ARGUMENT"),
    ("JSON", binary(CITY, {"name": "London"}), "INVALID_ARGUMENT"),
    ("BINARY", binary(CITY, {"name": "London"}), "OK"),
    ("BINARY", binary(CITY, {"name": "London"})[:-1], "INVALID_ARGUMENT"),
    ("BINARY", b"", "INVALID_ARGUMENT"),
    ("ENCODING_UNSPECIFIED", LONDON, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("encoding", "message", "expected"), MESSAGES)
def test_a_message_fits_its_schema_or_not(backend: Backend, encoding: str, message: bytes, expected: str) -> None:
    assert status(backend, schema=avro(CITY), message=message, encoding=encoding) == expected


SIZED_MESSAGES = [
    (b'{"name": "London", "size": {"int": 1}}', "OK"),
    (b'{"name": "London", "size": null}', "OK"),
    (b'{"name": "London", "size": 1}', "INVALID_ARGUMENT"),
    (LONDON, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("message", "expected"), SIZED_MESSAGES)
def test_unions_are_wrapped_and_no_field_is_left_out(backend: Backend, message: bytes, expected: str) -> None:
    assert status(backend, schema=avro(SIZED), message=message) == expected


DIFFERENT = {
    "status of a JSON message with 1.0 for an int": b'{"n": 1.0}',
    "status of two JSON messages in one": b'{"n": 1}{"n": 2}',
}


@pytest.mark.parametrize("rule", DIFFERENT)
def test_known_differences_of_messages_are_still_there(backend: Backend, rule: str) -> None:
    schema = avro({**CITY, "fields": [{"name": "n", "type": "int"}]})
    assert status(backend, schema=schema, message=DIFFERENT[rule]) == differences.expected_value(backend.name, rule)


def test_a_topic_with_a_schema_takes_what_fits_and_says_so(backend: Backend, names: Names) -> None:
    schema = make(backend)
    subscribe(backend, names, schema=schema.name, encoding="BINARY")
    london = binary(CITY, {"name": "London"})
    backend.publisher.publish(names.topic, london, colour="red").result()
    for wrong in (LONDON, london[:-1]):
        with pytest.raises(InvalidArgument):
            backend.publisher.publish(names.topic, wrong).result()
    (received,) = backend.pull(names.subscription, 1)
    assert received.message.data == london
    assert dict(received.message.attributes) == {
        "colour": "red",
        "googclient_schemaname": schema.name,
        "googclient_schemaencoding": "BINARY",
        "googclient_schemarevisionid": schema.revision_id,
    }


def test_a_topic_takes_the_revisions_that_it_names(backend: Backend, names: Names) -> None:
    first = make(backend)
    second = commit(backend, first, SIZED)
    settings = {"schema": first.name, "encoding": "JSON", "first_revision_id": first.revision_id}
    subscribe(backend, names, **settings, last_revision_id=second.revision_id)
    sized = b'{"name": "London", "size": {"int": 9}}'
    for message in (LONDON, sized):
        backend.publisher.publish(names.topic, message).result()
    received = backend.pull(names.subscription, 2)
    revisions = {one.message.data: one.message.attributes["googclient_schemarevisionid"] for one in received}
    assert revisions == {LONDON: first.revision_id, sized: second.revision_id}
    topic = {"name": names.topic, "schema_settings": {"first_revision_id": second.revision_id}}
    paths = ["schema_settings.first_revision_id"]
    backend.publisher.update_topic(request={"topic": topic, "update_mask": {"paths": paths}})
    with pytest.raises(InvalidArgument):
        backend.publisher.publish(names.topic, LONDON).result()


@pytest.mark.parametrize(
    "settings",
    [{"encoding": "ENCODING_UNSPECIFIED"}, {"first_revision_id": "abcdef12"}, {"schema": "projects/p/schemas/none"}],
)
def test_a_topic_cannot_have_a_schema_that_is_not_there(
    backend: Backend, names: Names, settings: dict[str, str]
) -> None:
    given = {"schema": make(backend).name, "encoding": "JSON", **settings}
    with pytest.raises((InvalidArgument, NotFound)):
        backend.publisher.create_topic(request={"name": names.topic, "schema_settings": given})


def test_a_topic_whose_schema_is_deleted_takes_nothing_until_it_has_another(backend: Backend, names: Names) -> None:
    schema = make(backend)
    subscribe(backend, names, schema=schema.name, encoding="JSON")
    backend.schemas.delete_schema(request={"name": schema.name})
    assert backend.publisher.get_topic(topic=names.topic).schema_settings.schema == "_deleted-schema_"
    with pytest.raises(NotFound):
        backend.publisher.publish(names.topic, LONDON).result()
    mask = {"paths": ["schema_settings"]}
    backend.publisher.update_topic(request={"topic": {"name": names.topic}, "update_mask": mask})
    backend.publisher.publish(names.topic, b"anything").result()
    assert [one.message.data for one in backend.pull(names.subscription, 1)] == [b"anything"]
