"""The service google.pubsub.v1.Subscriber."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

from modelserve_control.local.pubsub.api import pages, streams, wire
from modelserve_control.local.pubsub.api.rpc import Context, stream, unary, unsupported
from modelserve_control.local.pubsub.api.wire import Proto
from modelserve_control.local.pubsub.topics.backlog import Backlog
from modelserve_control.local.pubsub.topics.broker import Broker
from modelserve_control.local.pubsub.topics.errors import AckRefused, BadInput
from modelserve_control.local.pubsub.topics.outlet import Outlet
from modelserve_control.local.pubsub.topics.policies import SubscriptionConfig

MAX_PULL_MESSAGES = 1_000
MAX_WAIT_SECONDS = 30.0  # of a pull without messages; the service only says "a bounded time"

# Subscription fields that an update may name, with their names here; the others cannot be changed.
MUTABLE = {
    "push_config": "push",
    "enable_exactly_once_delivery": "exactly_once",
    "ack_deadline_seconds": "ack_deadline",
    "message_retention_duration": "retention",
    "retain_acked_messages": "retain_acked",
    "labels": "labels",
    "expiration_policy": "expires",
    "dead_letter_policy": "dead_letter",
    "retry_policy": "retry",
}


class Subscriber:
    """`outlet` returns the outlet of a subscription. Raises NotFound."""

    def __init__(self, broker: Broker, outlet: Callable[[str], Outlet]) -> None:
        self._broker = broker
        self._outlet = outlet

    def handler(self) -> grpc.GenericRpcHandler:
        methods = {
            "CreateSubscription": unary("Subscription", self.create_subscription),
            "GetSubscription": unary("GetSubscriptionRequest", self.get_subscription),
            "UpdateSubscription": unary("UpdateSubscriptionRequest", self.update_subscription),
            "ListSubscriptions": unary("ListSubscriptionsRequest", self.list_subscriptions),
            "DeleteSubscription": unary("DeleteSubscriptionRequest", self.delete_subscription),
            "ModifyPushConfig": unary("ModifyPushConfigRequest", self.modify_push_config),
            "Pull": unary("PullRequest", self.pull),
            "StreamingPull": stream("StreamingPullRequest", self.streaming_pull),
            "Acknowledge": unary("AcknowledgeRequest", self.acknowledge),
            "ModifyAckDeadline": unary("ModifyAckDeadlineRequest", self.modify_ack_deadline),
            "Seek": unary("SeekRequest", self.seek),
            "CreateSnapshot": unary("CreateSnapshotRequest", self.create_snapshot),
            "GetSnapshot": unary("GetSnapshotRequest", self.get_snapshot),
            "ListSnapshots": unary("ListSnapshotsRequest", self.list_snapshots),
            "UpdateSnapshot": unsupported("UpdateSnapshotRequest", "Make another snapshot: this server changes none."),
            "DeleteSnapshot": unary("DeleteSnapshotRequest", self.delete_snapshot),
        }
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", methods)

    # --- subscriptions ---

    async def create_subscription(self, request: Proto, context: Context) -> Proto:
        self._broker.create_subscription(wire.read_subscription(request))
        return self._subscription(request.name)

    async def get_subscription(self, request: Proto, context: Context) -> Proto:
        return self._subscription(request.subscription)

    async def list_subscriptions(self, request: Proto, context: Context) -> Proto:
        configs, token = pages.page(self._broker.subscriptions(request.project), request)
        found = [wire.write_subscription(config) for config in configs]
        return types.ListSubscriptionsResponse.pb()(subscriptions=found, next_page_token=token)

    async def update_subscription(self, request: Proto, context: Context) -> Proto:
        old = self._broker.backlog(request.subscription.name).config
        self._broker.update_subscription(apply_update(old, request.subscription, request.update_mask.paths))
        return self._subscription(old.name)

    async def modify_push_config(self, request: Proto, context: Context) -> Proto:
        old = self._broker.backlog(request.subscription).config
        self._broker.update_subscription(replace(old, push=wire.read_push(request.push_config)))
        return Empty()

    async def delete_subscription(self, request: Proto, context: Context) -> Proto:
        self._broker.delete_subscription(request.subscription)
        return Empty()

    # --- messages ---

    async def pull(self, request: Proto, context: Context) -> Proto:
        """An empty answer is sent a little before the client's deadline, after which the client would raise an error."""
        if request.max_messages <= 0:
            raise BadInput("max_messages must be at least 1.")
        outlet = self._outlet(request.subscription)
        left = context.time_remaining()
        wait = MAX_WAIT_SECONDS if left is None else min(MAX_WAIT_SECONDS, left - min(0.5, left / 4))
        try:
            async with asyncio.timeout(0 if request.return_immediately else wait):
                deliveries = await outlet.take(min(request.max_messages, MAX_PULL_MESSAGES))
        except TimeoutError:
            deliveries = []
        return types.PullResponse.pb()(received_messages=[wire.write_delivery(delivery) for delivery in deliveries])

    def streaming_pull(self, requests: streams.Requests, context: Context) -> streams.Responses:
        return streams.streaming_pull(self._outlet, requests)

    async def acknowledge(self, request: Proto, context: Context) -> Proto:
        _require_ack_ids(request.ack_ids)
        backlog = self._broker.backlog(request.subscription)
        return _ack_response(backlog, backlog.ack(request.ack_ids))

    async def modify_ack_deadline(self, request: Proto, context: Context) -> Proto:
        _require_ack_ids(request.ack_ids)
        backlog = self._broker.backlog(request.subscription)
        return _ack_response(
            backlog, backlog.modify(request.ack_ids, streams.check_deadline(request.ack_deadline_seconds))
        )

    async def seek(self, request: Proto, context: Context) -> Proto:
        if request.snapshot:
            self._broker.seek_to_snapshot(request.subscription, request.snapshot)
        elif request.HasField("time"):
            self._broker.backlog(request.subscription).seek(request.time.ToNanoseconds() / 1e9)
        else:
            raise BadInput("A seek names the time or the snapshot to go to.")
        return types.SeekResponse.pb()()

    async def create_snapshot(self, request: Proto, context: Context) -> Proto:
        made = self._broker.create_snapshot(request.name, request.subscription, dict(request.labels))
        return wire.write_snapshot(made)

    async def get_snapshot(self, request: Proto, context: Context) -> Proto:
        return wire.write_snapshot(self._broker.snapshots.get(request.snapshot))

    async def list_snapshots(self, request: Proto, context: Context) -> Proto:
        found, token = pages.page(self._broker.snapshots.list(request.project), request)
        written = [wire.write_snapshot(one) for one in found]
        return types.ListSnapshotsResponse.pb()(snapshots=written, next_page_token=token)

    async def delete_snapshot(self, request: Proto, context: Context) -> Proto:
        self._broker.snapshots.delete(request.snapshot)
        return Empty()

    def _subscription(self, name: str) -> Proto:
        return wire.write_subscription(self._broker.backlog(name).config)


def apply_update(old: SubscriptionConfig, proto: Proto, paths: Iterable[str]) -> SubscriptionConfig:
    """`old` with the fields that `paths` name taken from `proto`."""
    fields = {path.split(".")[0] for path in paths}
    if fixed := sorted(fields - set(MUTABLE)):
        raise BadInput(f"update_mask: {', '.join(fixed)} cannot be changed; it may name {', '.join(sorted(MUTABLE))}.")
    if not fields:
        raise BadInput(f"update_mask is empty; it names what changes: {', '.join(sorted(MUTABLE))}.")
    new = wire.read_subscription(proto)
    return replace(old, **{MUTABLE[name]: getattr(new, MUTABLE[name]) for name in fields})


def _ack_response(backlog: Backlog, late: list[str]) -> Proto:
    """With exactly-once delivery the subscriber learns which acks came too late."""
    if late and backlog.config.exactly_once:
        raise AckRefused(late)
    return Empty()


def _require_ack_ids(ack_ids: Iterable[str]) -> None:
    if not ack_ids:
        raise BadInput("The request names no ack ids.")
