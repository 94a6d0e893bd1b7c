"""The service google.pubsub.v1.Publisher."""

from __future__ import annotations

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

from modelserve_control.local.pubsub.api import pages, wire
from modelserve_control.local.pubsub.api.rpc import Context, unary
from modelserve_control.local.pubsub.api.wire import Proto
from modelserve_control.local.pubsub.topics.broker import Broker


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
            "Publish": unary("PublishRequest", self.publish),
        }
        return grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", methods)

    async def create_topic(self, request: Proto, context: Context) -> Proto:
        self._broker.create_topic(request.name, dict(request.labels))
        return self._topic(request.name)

    async def get_topic(self, request: Proto, context: Context) -> Proto:
        return self._topic(request.topic)

    async def list_topics(self, request: Proto, context: Context) -> Proto:
        names, token = pages.page(self._broker.topics(request.project), request)
        return types.ListTopicsResponse.pb()(topics=[self._topic(name) for name in names], next_page_token=token)

    async def list_topic_subscriptions(self, request: Proto, context: Context) -> Proto:
        names, token = pages.page(self._broker.topic_subscriptions(request.topic), request)
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names, next_page_token=token)

    async def delete_topic(self, request: Proto, context: Context) -> Proto:
        self._broker.delete_topic(request.topic)
        return Empty()

    async def publish(self, request: Proto, context: Context) -> Proto:
        messages = [wire.read_message(message) for message in request.messages]
        return types.PublishResponse.pb()(message_ids=self._broker.publish(request.topic, messages))

    def _topic(self, name: str) -> Proto:
        return wire.Topic(name=name, labels=self._broker.topic(name), state="ACTIVE")
