"""The services of the local stack, over real processes. The functions are tested where models are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud.storage import Client
from google.pubsub_v1 import PubsubMessage

from modelserve_control.common.processes import port_probe
from modelserve_control.local import resources
from modelserve_control.local.resources import Delivery
from modelserve_control.local.stack import Options, Stack

# What the tests' own environment names must not be used instead of a new stack.
ENVIRON = {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(Options(environ=ENVIRON)) as stack:
        yield stack


@pytest.fixture(scope="module")
def storage(stack: Stack) -> Iterator[Client]:
    options = {"api_endpoint": stack.storage}
    client = Client(stack.names.project, client_options=options, use_auth_w_custom_endpoint=False)
    yield client
    client.close()


def test_the_bucket_takes_an_object_that_must_not_exist_yet_only_once(stack: Stack, storage: Client) -> None:
    bucket = storage.bucket(stack.names.bucket)
    bucket.blob("alias.json").upload_from_string("one", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("alias.json").upload_from_string("two", if_generation_match=0)
    assert bucket.blob("alias.json").download_as_bytes() == b"one"


def test_an_object_is_replaced_only_from_the_generation_that_was_read(stack: Stack, storage: Client) -> None:
    blob = storage.bucket(stack.names.bucket).blob("pointer.json")
    blob.upload_from_string("one")
    first = blob.generation
    blob.upload_from_string("two", if_generation_match=first)
    assert blob.generation > first
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("three", if_generation_match=first)


def test_a_resumable_upload_comes_back_with_its_checksum(stack: Stack, storage: Client) -> None:
    data = os.urandom(600_000)
    blob = storage.bucket(stack.names.bucket).blob("model.bin", chunk_size=256 * 1024)
    with blob.open("wb", checksum="crc32c", if_generation_match=0) as file:
        file.write(data)
    pinned = storage.bucket(stack.names.bucket).get_blob("model.bin")
    assert pinned.size == len(data)
    same = storage.bucket(stack.names.bucket).blob("model.bin", generation=pinned.generation)
    assert same.download_as_bytes(checksum="crc32c") == data


def test_what_the_functions_publish_can_be_pulled(stack: Stack) -> None:
    names = stack.names
    pulled = {
        names.predictions: names.predictions_pull,
        names.dead_letter: names.dead_letter_pull,
        names.shadow: names.shadow_release,
    }
    with resources.publisher(stack.pubsub) as topics, resources.subscriber(stack.pubsub) as subscriptions:
        for topic, subscription in pulled.items():
            topics.publish(topic=topic, messages=[PubsubMessage(data=topic.encode())])
            (received,) = subscriptions.pull(subscription=subscription, max_messages=1, timeout=30).received_messages
            assert received.message.data == topic.encode()


def test_the_event_function_is_given_its_push_subscription(stack: Stack) -> None:
    names = stack.names
    for endpoint in ("http://127.0.0.1:1/", "http://127.0.0.1:2/"):
        resources.make_push(stack.pubsub, names, endpoint, Delivery(maximum_backoff=6))
        with resources.subscriber(stack.pubsub) as subscriptions:
            made = subscriptions.get_subscription(subscription=names.events_push)
        assert made.push_config.push_endpoint == made.push_config.oidc_token.audience == endpoint
        assert made.push_config.oidc_token.service_account_email == names.push_account
        assert made.dead_letter_policy.dead_letter_topic == names.dead_letter
        assert made.retry_policy.maximum_backoff == timedelta(seconds=6)


def test_servers_named_in_the_environment_are_used_instead_of_new_ones(stack: Stack) -> None:
    with Stack(Options(environ={**ENVIRON, **stack.client_environ}, bucket="second")) as second:
        assert (second.storage, second.pubsub) == (stack.storage, stack.pubsub)
    with resources.publisher(stack.pubsub) as topics:
        assert topics.get_topic(topic=stack.names.events).name == stack.names.events


def test_leaving_the_stack_leaves_nothing_behind() -> None:
    with Stack(Options(environ=ENVIRON)) as stack:
        directory, address = stack.directory, stack.storage.removeprefix("http://")
        assert port_probe(address)()
    assert not directory.exists()
    assert not port_probe(address)()
