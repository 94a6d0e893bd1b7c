"""The server's side of the prediction log: it hands a share of the requests and answers to `process`, and never waits."""

import itertools
import re
import time
import uuid
from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.requests import Request

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.core.sidecar import FRAME, HANG_SECONDS, MAX_SAMPLE_BYTES, TOO_LARGE, UTF8, Sidecar
from modelserve.events.envelopes import Message
from modelserve.events.results import Result
from modelserve.http.bodies import Headers
from modelserve.http.endpoint import STARTED, Reply, sent_path
from modelserve.models.version import Loaded
from modelserve.payloads.decode import JSON_SIZE

CALLER_ID: Final = re.compile(rb"[!-~]{1,128}")
HEADER: Final = b"x-prediction-id"


class Answered(msgspec.Struct, array_like=True, gc=False):
    """One request and its answer. Of an `event`, `body` is the data of the message, `answer` a list of prediction events,
    and there is no method, path, query and content type. `unknown_categories` has the cells of each row, is empty if all are known,
    and None if the version knows no categories. `signature` is that of the MLmodel as JSON, and stands in the first of each version in a message of samples."""

    event: bool
    method: str
    path: str
    query: bytes
    content_type: bytes
    body: bytes
    answer: bytes
    model: str
    version: str
    request_id: str
    id: str
    time: float
    milliseconds: float | None = None
    caller_id: str = ""
    json_size: bytes = b""
    answer_json_size: bytes = b""
    unknown_categories: Sequence[int] | None = None
    signature: bytes = b""
    dropped: int = 0  # requests that were not logged since the server started


class PredictionLog(Sidecar):
    """`submit_answer` and `submit_event` are called on the server's loop."""

    def __init__(self, settings: Settings, metrics: Metrics, hang_seconds: float = HANG_SECONDS) -> None:
        module = "modelserve.prediction_log.process"
        super().__init__("prediction_log", module, settings.log_percent, metrics, hang_seconds)
        # Unique for each request, which the id of a request is not: a caller chooses it.
        self._process_id = uuid.uuid4().hex[:16]
        self._requests = itertools.count()
        self._signatures: dict[tuple[str, str], bytes] = {}

    def submit_answer(self, request: Request, headers: Headers, body: bytes, loaded: Loaded, response: Reply) -> None:
        scope = request.scope
        if scope["method"] == "HEAD" or not self.is_sampled():
            return
        caller_id = headers.get(HEADER, b"")
        self.submit(
            Answered(
                False,
                scope["method"],
                sent_path(request),
                scope["query_string"],
                headers.get(b"content-type", b""),
                body,
                bytes(response.body),
                *loaded.names,
                headers[b"x-request-id"].decode(),
                self._make_id(),
                time.time(),
                milliseconds=(time.perf_counter() - scope[STARTED]) * 1_000,
                caller_id=caller_id.decode() if CALLER_ID.fullmatch(caller_id) else "",
                json_size=headers.get(JSON_SIZE, b""),
                answer_json_size=dict(response.raw_headers).get(JSON_SIZE, b""),
                unknown_categories=response.unknown_categories if loaded.categories else None,
            ),
            loaded,
        )

    def submit_event(self, loaded: Loaded, message: Message, results: Sequence[Result]) -> None:
        if not results or not self.is_sampled():
            return
        answer = b"[" + b",".join(result.body for result in results) + b"]"
        message_id = message.message_id.encode(errors="replace").decode()
        own, now = self._make_id(), time.time()
        answered = Answered(True, "", "", b"", b"", message.data, answer, *loaded.names, message_id, own, now)
        if loaded.categories:
            answered.unknown_categories = [result.unknown_categories for result in results]
        self.submit(answered, loaded)

    def submit(self, answered: Answered, loaded: Loaded) -> None:
        answered.dropped = self.dropped
        names = (answered.model, answered.version)
        if not any((one.model, one.version) == names and one.signature for one in self._collected[:1]):
            answered.signature = self._encode_signature(names, loaded)
        texts = (answered.model, answered.version, answered.path, answered.request_id, answered.id)
        size = sum(
            map(len, (answered.query, answered.content_type, answered.body, answered.answer, answered.signature))
        )
        size += UTF8 * sum(map(len, texts)) + FRAME + len(answered.caller_id)
        if size > MAX_SAMPLE_BYTES:
            self.count(TOO_LARGE)
            return
        self.collect(answered, size)

    def _encode_signature(self, names: tuple[str, str], loaded: Loaded) -> bytes:
        """Of the last versions only: there are two while one is replaced."""
        if names not in self._signatures:
            if len(self._signatures) > 1:
                self._signatures.clear()
            raw = loaded.signature.raw if loaded.signature else None
            self._signatures[names] = msgspec.json.encode(raw)
        return self._signatures[names]

    def _make_id(self) -> str:
        return f"{self._process_id}{next(self._requests):016x}"
