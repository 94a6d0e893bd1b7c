"""The service google.pubsub.v1.Publisher."""

from __future__ import annotations

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

from modelserve_control.local.pubsub.api import pages, wire
from modelserve_control.local.pubsub.api.rpc import Context, unary, unsupported
from modelserve_control.local.pubsub.api.wire import Proto
from modelserve_control.local.pubsub.topics.broker import Broker
from modelserve_control.local.pubsub.topics.errors import BadInput

# Topic fields that an update may name.
MUTABLE = frozenset(
    (
        "labels",
        "message_retention_duration",
        "message_storage_policy",
        "schema_settings",
        "ingestion_data_source_settings",
        "message_transforms",
    )
)


class Publisher:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def handler(self) -> grpc.GenericRpcHandler:
        methods = {
            "CreateTopic": unary("Topic", self.create_topic),
            "GetTopic": unary("GetTopicRequest", self.get_topic),
            "ListTopics": unary("ListTopicsRequest", self.list_topics),
            "ListTopicSubscriptions": unary("ListTopicSubscriptionsRequest", self.list_topic_subscriptions),
            "DeleteTopic": unary("DeleteTopicRequest", self.delete_topic),
            "UpdateTopic": unary("UpdateTopicRequest", self.update_topic),
            "DetachSubscription": unsupported(
                "DetachSubscriptionRequest", "Delete the subscription: this server does not detach one."
            ),
            "ListTopicSnapshots": unary("ListTopicSnapshotsRequest", self.list_topic_snapshots),
            "Publish": unary("PublishRequest", self.publish),
        }
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", methods)

    async def create_topic(self, request: Proto, context: Context) -> Proto:
        self._broker.create_topic(wire.read_topic(request))
        return self._topic(request.name)

    async def update_topic(self, request: Proto, context: Context) -> Proto:
        """Fields that are messages are replaced whole."""
        fields = {path.split(".")[0] for path in request.update_mask.paths}
        if not fields or not fields <= MUTABLE or not request.update_mask.IsValidForDescriptor(wire.Topic.DESCRIPTOR):
            raise BadInput(f"update_mask names what changes: {', '.join(sorted(MUTABLE))}, or fields of these.")
        proto = self._topic(request.topic.name)
        request.update_mask.MergeMessage(request.topic, proto, replace_message_field=True, replace_repeated_field=True)
        self._broker.update_topic(wire.read_topic(proto))
        return self._topic(proto.name)

    async def get_topic(self, request: Proto, context: Context) -> Proto:
        return self._topic(request.topic)

    async def list_topics(self, request: Proto, context: Context) -> Proto:
        names, token = pages.page(self._broker.topics(request.project), request)
        return types.ListTopicsResponse.pb()(topics=[self._topic(name) for name in names], next_page_token=token)

    async def list_topic_subscriptions(self, request: Proto, context: Context) -> Proto:
        names, token = pages.page(self._broker.topic_subscriptions(request.topic), request)
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names, next_page_token=token)

    async def list_topic_snapshots(self, request: Proto, context: Context) -> Proto:
        self._broker.topic(request.topic)
        found = [snapshot.name for snapshot in self._broker.snapshots.of_topic(request.topic)]
        names, token = pages.page(found, request)
        return types.ListTopicSnapshotsResponse.pb()(snapshots=names, next_page_token=token)

    async def delete_topic(self, request: Proto, context: Context) -> Proto:
        self._broker.delete_topic(request.topic)
        return Empty()

    async def publish(self, request: Proto, context: Context) -> Proto:
        messages = [wire.read_message(message) for message in request.messages]
        return types.PublishResponse.pb()(message_ids=self._broker.publish(request.topic, messages))

    def _topic(self, name: str) -> Proto:
        return wire.write_topic(self._broker.topic(name))
