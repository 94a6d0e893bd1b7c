"""The process of the prediction log: it decodes requests and answers once more, at idle priority, and publishes their rows.

Rows are published together, since a request to Pub/Sub costs as much as many rows.

`sender` starts it. It ends when the server closes its end of the socket, after what it has received is published.
"""

import asyncio
import gc
import logging
import signal
import socket
from typing import Final

import msgspec

from modelserve.core import logs, memory
from modelserve.core.errors import BadSetting, PublishFailed
from modelserve.core.settings import Settings, settings
from modelserve.core.sidecar import SidecarLogFilter, lower_priority, receive_message
from modelserve.events.publisher import Outgoing, Publisher, shorten_value, topic_path
from modelserve.payloads.predictions import encode
from modelserve.prediction_log.rows import RowMaker
from modelserve.prediction_log.sender import Answered

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 100  # messages of samples that Pub/Sub has not accepted; further ones are dropped and counted
COLLECT_SECONDS: Final = 0.25  # before rows are published, unless there are
ENOUGH_ROWS: Final = 500
FINISH_SECONDS: Final = 2.0  # for the remaining rows when the server ends

decoder = msgspec.msgpack.Decoder(list[Answered])


class Journal:
    def __init__(self, settings: Settings, sock: socket.socket) -> None:
        """Raises BadSetting for a topic without a project."""
        self.sock = sock
        self.topic = topic_path(settings.log_topic, settings.google_cloud_project, "LOG_TOPIC")
        self.maker = RowMaker(settings)
        self.publisher = Publisher(settings.publish_timeout_seconds)
        self.published = self.lost = 0  # rows
        self._collected: list[Outgoing] = []
        self._samples = 0  # messages of samples whose rows are collected
        self._waiting = 0  # those and the ones that are being published
        self._scheduled = False  # whether a timer will publish what is collected
        self._publishing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while data := await receive_message(self.sock):
            self.add(decoder.decode(data))
            await asyncio.sleep(0)
        self._publish_collected()
        if self._publishing:
            await asyncio.wait(self._publishing, timeout=FINISH_SECONDS)
        logger.info("the prediction log ends", extra={"fields": {"published": self.published, "lost": self.lost}})

    def add(self, answered: list[Answered]) -> None:
        messages: list[Outgoing] = []
        for one in answered:
            try:
                rows = self.maker.make_rows(one)
            except Exception as error:  # the next may be fine
                self.lost += 1
                logger.error(
                    "a request cannot be logged",
                    exc_info=error,
                    extra={"fields": {"request_id": one.request_id.decode()}},
                )
                continue
            attributes = {"model_name": shorten_value(one.model), "model_version": shorten_value(one.version)}
            messages += [(encode(row), attributes) for row in rows]
        if self._waiting >= MAX_WAITING:
            self._lose(len(messages), None)
            return
        self._collected += messages
        self._samples += 1
        self._waiting += 1
        if len(self._collected) >= ENOUGH_ROWS:
            self._publish_collected()
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(COLLECT_SECONDS, self._publish_scheduled)

    def _publish_scheduled(self) -> None:
        self._scheduled = False
        self._publish_collected()

    def _publish_collected(self) -> None:
        if not self._samples:
            return
        task = asyncio.get_running_loop().create_task(self._publish(self._collected, self._samples))
        self._collected, self._samples = [], 0
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(self, messages: list[Outgoing], samples: int) -> None:
        try:
            await self.publisher.publish(self.topic, messages)
            self.published += len(messages)
        except PublishFailed as error:
            self._lose(len(messages), error)
        finally:
            self._waiting -= samples

    def _lose(self, rows: int, error: PublishFailed | None) -> None:
        self.lost += rows
        fields = {"rows": rows, "lost": self.lost}
        logger.warning("rows of the prediction log are lost", exc_info=error, extra={"fields": fields})


def main(handle: int) -> int:
    """`handle` is the descriptor of its end of the socket. Returns the exit status."""
    lower_priority()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal it is for the server
    gc.freeze()
    memory.collect_seldom()
    memory.tune_malloc()
    found = settings()
    logs.configure(found.log_level, process="prediction_log")
    logging.getLogger("modelserve").handlers[0].addFilter(SidecarLogFilter())
    with socket.socket(fileno=handle) as sock:
        sock.setblocking(False)
        try:
            asyncio.run(Journal(found, sock).run())
        except BadSetting as error:
            logger.error("%s", error.message)
            return 1
    return 0
