"""The server's side of the prediction log: it hands a share of the requests and answers to `process`, and never waits."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.requests import Request

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.core.sidecar import FRAME, HANG_SECONDS, MAX_MESSAGE_BYTES, MAX_SAMPLE_BYTES, TOO_LARGE, Sidecar
from modelserve.events.envelopes import Message
from modelserve.events.results import Result
from modelserve.http.bodies import Headers
from modelserve.http.endpoint import STARTED, Reply
from modelserve.models.version import Loaded
from modelserve.payloads.decode import JSON_SIZE

HEADER: Final = b"x-prediction-id"
INTEGER: Final = 5  # bytes of a count in a message, at most


class Answered(msgspec.Struct, array_like=True, gc=False):
    """One request and its answer, with bytes as they came. Of an `event`, `body` is the data of the message, `answer` a list of
    prediction events, and there is no method, path, query and content type. `unknown_categories` has the cells of each row, is
    empty if all are known, and None if the version knows no categories. `signature` is that of the MLmodel as JSON, and stands in
    the first of each version in a message of samples."""

    event: bool
    method: str
    path: bytes
    query: bytes
    content_type: bytes
    body: bytes
    answer: bytes
    model: str
    version: str
    request_id: bytes
    time: float
    milliseconds: float | None = None
    caller_id: bytes = b""
    json_size: bytes = b""
    answer_json_size: bytes = b""
    unknown_categories: Sequence[int] | None = None
    signature: bytes = b""


class PredictionLog(Sidecar):
    """`submit_answer` and `submit_event` are called on the server's loop. What the process can do is left to it."""

    def __init__(self, settings: Settings, metrics: Metrics, hang_seconds: float = HANG_SECONDS) -> None:
        module = "modelserve.prediction_log.process"
        super().__init__("prediction_log", module, settings.log_percent, metrics, hang_seconds)
        self._signatures: dict[tuple[str, str], bytes] = {}
        self._names = ("", "")  # the last version whose signature was collected

    def submit_answer(self, request: Request, headers: Headers, body: bytes, loaded: Loaded, response: Reply) -> None:
        scope = request.scope
        if scope["method"] == "HEAD" or not self.is_sampled():
            return
        answered = Answered(
            False,
            scope["method"],
            scope["raw_path"],
            scope["query_string"],
            headers.get(b"content-type", b""),
            body,
            bytes(response.body),
            *loaded.names,
            headers[b"x-request-id"],
            time.time(),
            (time.perf_counter() - scope[STARTED]) * 1_000,
            headers.get(HEADER, b""),
            headers.get(JSON_SIZE, b""),
            response.json_size,
            response.unknown_categories if loaded.categories else None,
        )
        self.submit(answered, loaded)

    def submit_event(self, loaded: Loaded, message: Message, results: Sequence[Result]) -> None:
        if not results or not self.is_sampled():
            return
        answer = b"[" + b",".join(result.body for result in results) + b"]"
        message_id = message.message_id.encode(errors="replace")
        answered = Answered(True, "", b"", b"", b"", message.data, answer, *loaded.names, message_id, time.time())
        if loaded.categories:
            answered.unknown_categories = [result.unknown_categories for result in results]
        self.submit(answered, loaded)

    def submit(self, answered: Answered, loaded: Loaded) -> None:
        size = FRAME + len(answered.body) + len(answered.answer) + len(answered.query) + len(answered.content_type)
        size += len(answered.path) + len(answered.model) + len(answered.version)
        size += len(answered.request_id) + len(answered.caller_id) + len(answered.json_size)
        if answered.unknown_categories:
            size += INTEGER * len(answered.unknown_categories)
        if self._size + size > MAX_MESSAGE_BYTES:
            self.flush()
        if not self._collected or loaded.names is not self._names:
            answered.signature = self._encode_signature(loaded)
            size += len(answered.signature)
        if size > MAX_SAMPLE_BYTES:
            self.count(TOO_LARGE)
            return
        self._names = loaded.names
        self.collect(answered, size)

    def _encode_signature(self, loaded: Loaded) -> bytes:
        """Of the last versions only: there are two while one is replaced."""
        if loaded.names not in self._signatures:
            if len(self._signatures) > 1:
                self._signatures.clear()
            raw = loaded.signature.raw if loaded.signature else None
            self._signatures[loaded.names] = msgspec.json.encode(raw)
        return self._signatures[loaded.names]
