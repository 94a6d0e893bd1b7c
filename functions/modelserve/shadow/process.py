"""The shadow's process: it replays sampled requests to the challenger, through the same code, at idle CPU priority.

`sender` starts it. It ends when the server closes its end of the socket.
"""

import asyncio
import logging
import math
import select
import signal
import socket
import time
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import msgspec
from starlette.requests import Request

from modelserve.core import logs
from modelserve.core.errors import BadSetting, DeadlineExceeded, ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings, settings
from modelserve.core.sidecar import SidecarLogFilter, lower_priority, receive_message
from modelserve.events.app import Events
from modelserve.events.envelopes import Message
from modelserve.events.outbox import Outbox
from modelserve.http.app import V1_MODEL, V2_MODEL, Http
from modelserve.models.active import ActiveModel
from modelserve.models.version import Loaded
from modelserve.payloads.binary_tensors import decode_answer
from modelserve.payloads.decode import JSON_SIZE
from modelserve.payloads.differences import Comparison, compare
from modelserve.payloads.json import oip_v2
from modelserve.shadow.report import FINISH_SECONDS, Report
from modelserve.shadow.sender import Sample

logger = logging.getLogger(__name__)

MAX_CONCURRENT: Final = 16  # samples, which a native model can merge
# Successive batches in which every request exceeds its deadline; the challenger then counts as hung.
MAX_TIMEOUTS: Final = 3

decoder = msgspec.msgpack.Decoder(list[Sample])


class ChallengerFailed(Exception):
    """Its text is the code of the error."""


class Challenger:
    def __init__(self, settings: Settings, report: Report, sock: socket.socket) -> None:
        """`settings` are those of the server."""
        own = replace(settings, model_uri=settings.shadow_model_uri, metrics=False)
        self.settings = settings
        self.report = report
        self.sock = sock
        metrics = Metrics(enabled=False)
        self.active = ActiveModel(own, metrics)
        self.http = Http(own, self.active, metrics)
        self.events = Events(own, self.active, metrics, Outbox(own, metrics))
        self._received: list[Sample] = []
        self._timeouts = 0

    async def serve(self) -> bool:
        """Until the server closes its end. False if the challenger hangs."""
        summaries = asyncio.create_task(self.report.summarise_periodically())
        end = math.inf
        while self._timeouts < MAX_TIMEOUTS and time.monotonic() < end and (samples := await self.receive_samples()):
            if end == math.inf and is_closed(self.sock):
                end = time.monotonic() + FINISH_SECONDS
            if self.active.current is None:
                for sample in samples:
                    self.report.add_early(sample)
            else:
                slow = await asyncio.gather(*map(self.compare, samples))
                self._timeouts = self._timeouts + 1 if all(slow) else 0
            logger.debug("samples taken", extra={"fields": {"samples": len(samples)}})
        summaries.cancel()
        await self.report.finish()
        return self._timeouts < MAX_TIMEOUTS

    async def receive_samples(self) -> list[Sample]:
        if not self._received:
            data = await receive_message(self.sock)
            self._received = decoder.decode(data) if data else []
        now, self._received = self._received[:MAX_CONCURRENT], self._received[MAX_CONCURRENT:]
        return now

    async def compare(self, sample: Sample) -> bool:
        names = {"shadow_model": self.active.name, "shadow_version": "none", "shadow_manifest_sha256": ""}
        try:
            replay = self.replay_event if sample.event else self.replay
            found = await replay(sample, names)
            served = decode_answer(sample.answer, sample.answer_json_size)
            comparison = compare_answers(served, found, sample, self.settings.shadow_tolerance)
        except ChallengerFailed as error:
            code = str(error)
            self.report.add_failure(sample, names, code)
            return code == DeadlineExceeded.code
        except Exception as error:  # the next sample may be fine
            logger.error("the shadow failed", exc_info=error)
            self.report.add_failure(sample, names, ServeError.code)
        else:
            self.report.add_comparison(sample, names, comparison)
        return False

    async def replay(self, sample: Sample, names: dict[str, str]) -> Any:
        async def receive() -> Any:
            return {"type": "http.request", "body": sample.body, "more_body": False}

        path, loaded = sample.path, self.active.current
        # The address names the model, and may name its version.
        if loaded and V2_MODEL.fullmatch(path):
            path = f"/v2/models/{loaded.name}/infer"
        elif loaded and V1_MODEL.fullmatch(path):
            path = f"/v1/models/{loaded.name}:predict"
        sent = ((b"content-type", sample.content_type), (JSON_SIZE, sample.json_size))
        scope = {
            "type": "http",
            "method": sample.method,
            "path": path,
            "raw_path": quote(path, safe="/:").encode(),
            "query_string": sample.query,
            "headers": [(b"x-request-id", sample.request_id.encode()), *(one for one in sent if one[1])],
            "scheme": "http",
            "server": ("localhost", 80),
        }
        before = self.active.current
        response = await self.http.respond(Request(scope, receive))
        headers = dict(response.raw_headers)
        for loaded in (before, self.active.current):  # another may have become active
            if loaded and headers.items() >= dict(loaded.headers).items():
                names.update(version_names(loaded))
        value = decode_answer(bytes(response.body), headers.get(JSON_SIZE, b""))
        if response.status_code != 200:
            raise ChallengerFailed(value["error_code"])
        return value

    async def replay_event(self, sample: Sample, names: dict[str, str]) -> Any:
        try:
            async with self.events.lease() as loaded:
                names.update(version_names(loaded))
                scored = await self.events.score(loaded, Message(sample.body, sample.request_id))
        except ServeError as error:
            raise ChallengerFailed(error.code) from error
        return [msgspec.json.decode(result.body) for result in scored.results]


def is_closed(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, 0)
    return bool(poll.poll(0))


def version_names(loaded: Loaded) -> dict[str, str]:
    model, version = loaded.names
    return {"shadow_model": model, "shadow_version": version, "shadow_manifest_sha256": loaded.digest or ""}


def compare_answers(served: Any, shadow: Any, sample: Sample, tolerance: float) -> Comparison:
    """A plain record is answered by one result, any other form by a list of rows."""
    plain = not sample.event and not V2_MODEL.fullmatch(sample.path)
    one_row = plain and type(served) is dict and "predictions" not in served
    return compare(comparable_part(served, sample), comparable_part(shadow, sample), tolerance, one_row)


def comparable_part(answer: Any, sample: Sample) -> Any:
    if sample.event:
        return [event["prediction"] for event in answer]
    if V2_MODEL.fullmatch(sample.path):
        # V2 has the items of all rows in one list.
        data = [
            oip_v2.rows_of(output["data"], output["shape"], tensors=True) if output["data"] else []
            for output in answer["outputs"]
        ]
        return {str(place): {"data": rows} for place, rows in enumerate(data)}
    return answer


async def run(found: Settings, sock: socket.socket) -> bool:
    challenger = Challenger(found, Report(found), sock)
    challenger.active.start()
    try:
        return await challenger.serve()
    finally:
        sock.close()  # even if a thread hangs, the server sees the end
        challenger.active.stop()


def main(handle: int) -> int:
    """`handle` is the descriptor of its end of the socket. Returns the exit status."""
    lower_priority()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal it is for the server
    found = settings()
    logs.configure(found.log_level, process="shadow")
    logging.getLogger("modelserve").handlers[0].addFilter(SidecarLogFilter())
    sock = socket.socket(fileno=handle)
    sock.setblocking(False)
    try:
        healthy = asyncio.run(run(found, sock))
    except BadSetting as error:
        logger.error("%s", error.message)
        return 1
    if not healthy:
        logger.error("the challenger hangs")
    return 0 if healthy else 1
