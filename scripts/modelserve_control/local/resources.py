"""The bucket, topics and subscriptions of the local stack, as Terraform makes them in the cloud."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import grpc
from google.api_core.exceptions import AlreadyExists
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from modelserve.core.errors import BadSetting, StoreUnavailable
from modelserve_control.common.errors import ServiceUnreachable
from modelserve_control.common.services.client import ServiceClient

TIMEOUT_SECONDS = 10.0  # the server is on this machine


@dataclass(frozen=True)
class Names:
    """Full resource names within one project, except for the bucket's."""

    project: str
    bucket: str

    events = property(lambda self: self.topic("events"))
    predictions = property(lambda self: self.topic("predictions"))
    dead_letter = property(lambda self: self.topic("dead-letter"))
    shadow = property(lambda self: self.topic("shadow"))
    log = property(lambda self: self.topic("log"))
    events_push = property(lambda self: self.subscription("events-push"))
    events_pull = property(lambda self: self.subscription("events-pull"))  # of the worker
    predictions_pull = property(lambda self: self.subscription("predictions-pull"))
    dead_letter_pull = property(lambda self: self.subscription("dead-letter-pull"))
    shadow_release = property(lambda self: self.subscription("shadow-release"))  # for a release with --shadow
    log_pull = property(lambda self: self.subscription("log-pull"))
    push_account = property(lambda self: f"pubsub-push@{self.project}.iam.gserviceaccount.com")

    def topic(self, name: str) -> str:
        return f"projects/{self.project}/topics/{name}"

    def subscription(self, name: str) -> str:
        return f"projects/{self.project}/subscriptions/{name}"


@dataclass(frozen=True)
class Delivery:
    """How events are pushed. In the cloud: an ack deadline of 60 s or more, and 10 to 600 s between attempts."""

    ack_deadline: int = 30
    minimum_backoff: float = 0.1
    maximum_backoff: float = 6.0
    max_delivery_attempts: int = 5


def make_bucket(url: str, names: Names) -> None:
    """Does nothing when it exists. `url` is the storage server's. Raises `StoreUnavailable` at once when nothing answers,
    for which Google's client would need two minutes.
    """
    try:
        with ServiceClient(url, timeout=TIMEOUT_SECONDS) as client:
            path = f"/storage/v1/b?project={names.project}"
            status = client.post(path, json.dumps({"name": names.bucket}).encode()).status_code
    except (ServiceUnreachable, BadSetting):
        raise StoreUnavailable(
            f"The storage server at {url} does not answer: start it, or unset STORAGE_EMULATOR_HOST."
        ) from None
    if status not in (HTTPStatus.OK, HTTPStatus.CONFLICT):
        raise StoreUnavailable(f"The storage server at {url} made no bucket: it answered {status}.")


def make_topics(host: str, names: Names) -> None:
    """The topics with their pull subscriptions: a topic without a subscription loses its messages."""
    with publisher(host) as topics, subscriber(host) as subscriptions:
        for topic in (names.events, names.predictions, names.dead_letter, names.shadow, names.log):
            _create(topics.create_topic, {"name": topic})
        pulled = {
            names.predictions_pull: names.predictions,
            names.dead_letter_pull: names.dead_letter,
            names.shadow_release: names.shadow,
            names.log_pull: names.log,
        }
        for subscription, topic in pulled.items():
            _create(subscriptions.create_subscription, {"name": subscription, "topic": topic})


def make_push(host: str, names: Names, endpoint: str, delivery: Delivery) -> None:
    push_config = {
        "push_endpoint": endpoint,
        "oidc_token": {"service_account_email": names.push_account, "audience": endpoint},
    }
    request = {"name": names.events_push, **delivery_fields(names, delivery), "push_config": push_config}
    with subscriber(host) as subscriptions:
        if not _create(subscriptions.create_subscription, request):
            subscriptions.modify_push_config(request={"subscription": names.events_push, "push_config": push_config})


def make_pull(host: str, names: Names, delivery: Delivery) -> None:
    """The subscription of the worker. A push subscription beside it gets every event too; both answer with the same
    `prediction_id`."""
    with subscriber(host) as subscriptions:
        _create(subscriptions.create_subscription, {"name": names.events_pull, **delivery_fields(names, delivery)})


def delivery_fields(names: Names, delivery: Delivery) -> dict[str, Any]:
    return {
        "topic": names.events,
        "ack_deadline_seconds": delivery.ack_deadline,
        "retry_policy": {
            "minimum_backoff": timedelta(seconds=delivery.minimum_backoff),
            "maximum_backoff": timedelta(seconds=delivery.maximum_backoff),
        },
        "dead_letter_policy": {
            "dead_letter_topic": names.dead_letter,
            "max_delivery_attempts": delivery.max_delivery_attempts,
        },
    }


def publisher(host: str) -> PublisherClient:
    """For a server at `host`; the environment is ignored. Closing the client closes its channel."""
    return PublisherClient(transport=PublisherGrpcTransport(channel=_channel(host)))


def subscriber(host: str) -> SubscriberClient:
    return SubscriberClient(transport=SubscriberGrpcTransport(channel=_channel(host)))


def _channel(host: str) -> grpc.Channel:
    """Without a proxy, which does not know addresses of this machine."""
    return grpc.insecure_channel(host, [("grpc.enable_http_proxy", 0)])


def _create(create: Callable[..., Any], request: dict[str, Any]) -> bool:
    try:
        create(request=request)
    except AlreadyExists:
        return False
    return True
