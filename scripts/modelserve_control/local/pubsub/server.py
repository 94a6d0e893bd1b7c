"""The server: its services on one event loop of one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import grpc
import uvloop

from modelserve_control.local.pubsub.api.publisher import Publisher
from modelserve_control.local.pubsub.api.schemas import SchemaService
from modelserve_control.local.pubsub.api.subscriber import Subscriber
from modelserve_control.local.pubsub.push.deliveries import Deliveries
from modelserve_control.local.pubsub.topics.broker import Broker
from modelserve_control.local.pubsub.topics.errors import ServeError
from modelserve_control.local.pubsub.topics.messages import MAX_REQUEST_BYTES

OPTIONS = (
    # Twice the service's limit, so that a request which is too large gets this server's message instead of gRPC's.
    ("grpc.max_receive_message_length", 2 * MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", -1),
    # A port in use is an error; two servers must not share it.
    ("grpc.so_reuseport", 0),
    # The client pings every 30 s; the default would answer such a client with "too many pings".
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class PortTaken(ServeError):
    code = "PORT_TAKEN"


class Server:
    """Start and stop it on the same running event loop."""

    def __init__(self) -> None:
        self._deliveries = Deliveries()
        self._server = grpc.aio.server(options=OPTIONS)
        broker = Broker(self._deliveries, clock=asyncio.get_running_loop().time)
        subscriber = Subscriber(broker, self._deliveries.outlet)
        schemas = SchemaService(broker)
        self._server.add_generic_rpc_handlers((Publisher(broker).handler(), subscriber.handler(), schemas.handler()))

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Returns `host:port` when it answers. Port 0 is any free one."""
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise PortTaken(f"Cannot listen on {host}:{port}; choose a free port, or 0.") from error
        await self._server.start()
        return f"{host}:{bound}"

    async def stop(self) -> None:
        """Calls in flight end: clients connect again and get their messages again."""
        self._deliveries.close()
        await self._server.stop(0)


def run(main: Coroutine[None, None, None]) -> None:
    """On uvloop: a third of the time of asyncio's own loop per push."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
