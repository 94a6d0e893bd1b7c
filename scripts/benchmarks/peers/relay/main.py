"""The limit of the worker: pull a message, publish one message for it and ack it, with the same clients and without scoring.

The file ROWS has the expected rows and their labels. The server on PORT answers health checks.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.cloud.pubsub_v1 import SubscriberClient, types
from google.pubsub_v1.types import PublishRequest, PublishResponse, PubsubMessage

from modelserve.events.results import prediction_id
from modelserve.events.subscriber import Inbox

METHOD = "/google.pubsub.v1.Publisher/Publish"
MAX_LEASED_MESSAGES = 1_000  # the default of the setting
MAX_REQUESTS = 100  # at once, as in `modelserve.events.publisher`
DRAIN_SECONDS = 5.0

rows = json.loads(Path(os.environ["ROWS"]).read_text())
known = {json.dumps(row).encode(): label for row, label in zip(rows["rows"], rows["expected"], strict=True)}
topic = os.environ["PREDICTIONS_TOPIC"]
ordered = os.environ.get("ORDERED_PREDICTIONS", "false") == "true"
Request, Message, Answer = PublishRequest.pb(), PubsubMessage.pb(), PublishResponse.pb()


def event(pulled: Any) -> Any:
    own = prediction_id(pulled.message_id, 0)
    body = {"prediction": {"prediction": known[pulled.data]}, "prediction_id": own}
    key = pulled.message_id if ordered else ""
    return Message(data=json.dumps(body).encode(), ordering_key=key, attributes={"prediction_id": own})


async def main() -> None:
    loop = asyncio.get_running_loop()
    channel = grpc.aio.insecure_channel(os.environ["PUBSUB_EMULATOR_HOST"])
    publish = channel.unary_unary(
        METHOD, request_serializer=Request.SerializeToString, response_deserializer=Answer.FromString
    )
    free = asyncio.Semaphore(MAX_REQUESTS)
    tasks = set[asyncio.Task[None]]()

    async def forward(group: Sequence[Any]) -> None:
        async with free:
            await publish(Request(topic=topic, messages=list(map(event, group))))
        for pulled in group:
            pulled.ack()
            inbox.finish(pulled)

    def forward_all(arrived: list[Any]) -> None:
        """A request holds messages of one ordering key only."""
        for group in [[one] for one in arrived] if ordered else [arrived]:
            task = loop.create_task(forward(group))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    inbox = Inbox(loop, forward_all, DRAIN_SECONDS)
    SubscriberClient().subscribe(
        os.environ["SUBSCRIPTION"],
        callback=inbox.finish,
        flow_control=types.FlowControl(max_messages=MAX_LEASED_MESSAGES),
        scheduler=inbox,
    )
    async with await asyncio.start_server(answer, "127.0.0.1", int(os.environ["PORT"])):
        await asyncio.Event().wait()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


uvloop.run(main())
