"""The shadow itself: the same doors around the challenger, asked what the server was asked, in time nobody else wants.

Started by `sender`; it ends when the server's end of the socket does.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import select
import signal
import socket
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NoReturn
from urllib.parse import quote

import msgspec
from starlette.requests import Request

from modelserve.core import logs
from modelserve.core.errors import BadSetting, DeadlineExceeded, ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings, settings
from modelserve.events.app import Events
from modelserve.events.envelopes import Message
from modelserve.http.app import V2_MODEL, Http
from modelserve.models.active import ActiveModel
from modelserve.models.version import Loaded
from modelserve.payloads.differences import Comparison, compare
from modelserve.payloads.json import oip_v2
from modelserve.shadow.report import LAST, Report
from modelserve.shadow.sender import COLLECTING, LONGEST, Offer

logger = logging.getLogger(__name__)

TOGETHER: Final = 16  # offers that are answered at once, so that a native model can merge them
# Seconds without listening when there is nothing. To send to somebody who waits is to wake him, which costs the server
# many times the sending; in so short a time the socket has room for all that one processor answers, and the next message
# of a server that answers all the time has come.
PAUSE: Final = 1.5 * COLLECTING
MOST_COMPLAINTS: Final = 20  # lines a minute
# Batches of which every request ran out of time, one after the other: this model does not come back by itself.
HUNG_AFTER: Final = 3

decoder = msgspec.msgpack.Decoder(list[Offer])


class Failed(Exception):
    """The challenger gave an error, of this code."""


def no_results() -> NoReturn:
    raise RuntimeError("the shadow publishes no predictions")


class Challenger:
    def __init__(self, settings: Settings, report: Report, ear: socket.socket) -> None:
        """`settings` are the server's, of which the challenger has a few of its own."""
        own = replace(settings, model_uri=settings.shadow_model_uri, metrics=False)
        self.settings = settings
        self.report = report
        self.ear = ear
        metrics = Metrics(enabled=False)
        self.active = ActiveModel(own, metrics)
        self.http = Http(own, self.active, metrics)
        self.events = Events(own, self.active, metrics, no_results)
        self._heard: list[Offer] = []
        self._hung = 0

    async def serve(self) -> bool:
        """Until the server's end is closed; False when the challenger hangs."""
        telling = asyncio.create_task(self.report.keep_telling())
        end = math.inf
        while self._hung < HUNG_AFTER and time.monotonic() < end and (offers := await self.hear()):
            if end == math.inf and hung_up(self.ear):
                end = time.monotonic() + LAST
            if self.active.current is None:
                for offer in offers:
                    self.report.early(offer)
            else:
                slow = await asyncio.gather(*map(self.answer, offers))
                self._hung = self._hung + 1 if all(slow) else 0
            logger.debug("offers taken", extra={"fields": {"offers": len(offers)}})
        telling.cancel()
        await self.report.finish()
        return self._hung < HUNG_AFTER

    async def hear(self) -> list[Offer]:
        """Some of what is there, at least one; none when the server's end is closed."""
        if not self._heard:
            data = await self.message()
            self._heard = decoder.decode(data) if data else []
        now, self._heard = self._heard[:TOGETHER], self._heard[TOGETHER:]
        return now

    async def message(self) -> bytes:
        """Empty when the server's end is closed."""
        with suppress(BlockingIOError):
            return self.ear.recv(LONGEST)
        await asyncio.sleep(PAUSE)
        return await asyncio.get_running_loop().sock_recv(self.ear, LONGEST)

    async def answer(self, offer: Offer) -> bool:
        """Whether it took too long."""
        names = {"shadow_model": self.active.name, "shadow_version": "none", "shadow_manifest_sha256": ""}
        try:
            replay = self.replay_event if offer.event else self.replay
            found = await replay(offer, names)
            served = msgspec.json.decode(offer.answer)
            comparison = compared(served, found, offer, self.settings.shadow_tolerance)
        except Failed as error:
            code = str(error)
            self.report.failed(offer, names, code)
            return code == DeadlineExceeded.code
        except Exception as error:  # whatever a challenger gives: the next offer is another
            logger.error("the shadow failed", exc_info=error)
            self.report.failed(offer, names, ServeError.code)
        else:
            self.report.compared(offer, names, comparison)
        return False

    async def replay(self, offer: Offer, names: dict[str, str]) -> Any:
        """The challenger's answer to the same request, decoded. Raises Failed."""

        async def receive() -> Any:
            return {"type": "http.request", "body": offer.body, "more_body": False}

        path = self.path(offer.path)
        scope = {
            "type": "http",
            "method": offer.method,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": offer.query,
            "headers": [(b"x-request-id", offer.request_id.encode()), *content_type(offer)],
            "scheme": "http",
            "server": ("localhost", 80),
        }
        before = self.active.current
        response = await self.http(Request(scope, receive))
        headers = dict(response.raw_headers)
        for loaded in (before, self.active.current):  # another may have come meanwhile
            if loaded and headers.items() >= dict(loaded.headers).items():
                names.update(named(loaded))
        value = msgspec.json.decode(response.body)
        if response.status_code != 200:
            raise Failed(value["error_code"])
        return value

    def path(self, path: str) -> str:
        """V2 addresses name the model, and may name its version."""
        match = V2_MODEL.fullmatch(path)
        loaded = self.active.current
        return f"/v2/models/{loaded.name}/infer" if match and loaded else path

    async def replay_event(self, offer: Offer, names: dict[str, str]) -> Any:
        """The prediction events that the challenger would publish. Raises Failed."""
        try:
            async with self.events.turn() as loaded:
                names.update(named(loaded))
                scored = await self.events.score(loaded, Message(offer.body, offer.request_id))
        except ServeError as error:
            raise Failed(error.code) from error
        return [msgspec.json.decode(result.body) for result in scored.results]


def hung_up(ear: socket.socket) -> bool:
    """Also while there is more to hear."""
    asked = select.poll()
    asked.register(ear, 0)
    return bool(asked.poll(0))


def named(loaded: Loaded) -> dict[str, str]:
    """A directory without a manifest has no digest."""
    model, version = loaded.names
    return {"shadow_model": model, "shadow_version": version, "shadow_manifest_sha256": loaded.digest or ""}


def compared(served: Any, shadow: Any, offer: Offer, tolerance: float) -> Comparison:
    """Two answers to the same offer. Only a plain record is answered without a list of rows, by one result."""
    plain = not offer.event and not V2_MODEL.fullmatch(offer.path)
    one_row = plain and type(served) is dict and "predictions" not in served
    return compare(part(served, offer), part(shadow, offer), tolerance, one_row)


def part(answer: Any, offer: Offer) -> Any:
    """What of an answer is compared: without the names of the model and its version, which differ."""
    if offer.event:
        return [event["prediction"] for event in answer]
    if V2_MODEL.fullmatch(offer.path):
        return {str(place): {"data": rows_of(output)} for place, output in enumerate(answer["outputs"])}
    return answer


def rows_of(tensor: Any) -> list[Any]:
    """Of V2, which has the items of all rows in one list."""
    items: list[Any] = tensor["data"]
    return oip_v2.rows_of(items, tensor["shape"], tensors=True) if items else items


def content_type(offer: Offer) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", offer.content_type)] if offer.content_type else []


def step_back() -> None:
    """Only what nobody else uses: of the processor, and of the memory when it ends. Each where the system has it."""
    with suppress(OSError):
        os.nice(19)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as first_to_go:
        first_to_go.write("1000")


class Marked:
    """A filter of log lines: they stand among the server's, and a model that always raises must not fill the log."""

    def __init__(self) -> None:
        self._minute = self._complaints = 0

    def __call__(self, record: logging.LogRecord) -> bool:
        record.fields = {"process": "shadow", **getattr(record, "fields", {})}
        if record.levelno < logging.WARNING:
            return True
        minute = int(record.created // 60)
        if minute != self._minute:
            self._minute, self._complaints = minute, 0
        self._complaints += 1
        return self._complaints <= MOST_COMPLAINTS


async def run(found: Settings, ear: socket.socket) -> bool:
    challenger = Challenger(found, Report(found), ear)
    challenger.active.start()
    try:
        return await challenger.serve()
    finally:
        ear.close()  # whatever its threads do: the server sees that it ends
        challenger.active.stop()


def main(handle: int) -> int:
    """`handle` is its end of the socket. The exit status."""
    step_back()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which means the server
    found = settings()
    logs.configure(found.log_level)
    logging.getLogger("modelserve").handlers[0].addFilter(Marked())
    ear = socket.socket(fileno=handle)
    ear.setblocking(False)
    try:
        healthy = asyncio.run(run(found, ear))
    except BadSetting as error:
        logger.error("%s", error.message)
        return 1
    if not healthy:
        logger.error("the challenger hangs")
    return 0 if healthy else 1
