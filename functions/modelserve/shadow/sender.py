"""The server's side of the shadow: it samples requests and their answers. Its process is `process`."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.core.sidecar import FRAME, HANG_SECONDS, MAX_SAMPLE_BYTES, TOO_LARGE, UTF8, Sidecar
from modelserve.events.envelopes import Message
from modelserve.events.results import Result
from modelserve.http.bodies import Headers
from modelserve.http.endpoint import Reply, sent_path
from modelserve.models.version import Loaded
from modelserve.payloads.decode import JSON_SIZE


class Sample(msgspec.Struct, array_like=True, gc=False):
    """One request and its answer. Of an `event`, `body` is the data of the message and `answer` a list of prediction
    events."""

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
    dropped: int = 0  # samples that the server has dropped since it started
    json_size: bytes = b""  # of binary tensors: the length of the JSON before them in the body, as its header says
    answer_json_size: bytes = b""  # the same of the answer


class Shadow(Sidecar):
    """`submit_answer` and `submit_event` are called on the server's loop."""

    def __init__(self, settings: Settings, metrics: Metrics, hang_seconds: float = HANG_SECONDS) -> None:
        hang_seconds += settings.predict_timeout_seconds
        super().__init__("shadow", "modelserve.shadow.process", settings.shadow_percent, metrics, hang_seconds)

    def submit_answer(self, request: Request, headers: Headers, body: bytes, loaded: Loaded, response: Reply) -> None:
        scope = request.scope
        if scope["method"] == "HEAD" or not self.is_sampled():
            return
        model, version = loaded.names
        self.submit(
            Sample(
                event=False,
                method=scope["method"],
                path=sent_path(request),
                query=scope["query_string"],
                content_type=headers.get(b"content-type", b""),
                body=body,
                answer=bytes(response.body),
                model=model,
                version=version,
                request_id=headers[b"x-request-id"].decode(),
                json_size=headers.get(JSON_SIZE, b""),
                answer_json_size=response.json_size,
            )
        )

    def submit_event(self, loaded: Loaded, message: Message, results: Sequence[Result]) -> None:
        if not results or not self.is_sampled():
            return
        answer = b"[" + b",".join(result.body for result in results) + b"]"
        request_id = message.message_id.encode(errors="replace").decode()
        # It has no method, path, query and content type.
        self.submit(Sample(True, "", "", b"", b"", message.data, answer, *loaded.names, request_id))

    def submit(self, sample: Sample) -> None:
        size = len(sample.body) + len(sample.query) + len(sample.answer)
        names = len(sample.content_type) + len(sample.json_size) + len(sample.model) + len(sample.version)
        names += UTF8 * (len(sample.path) + len(sample.request_id)) + FRAME
        if size > MAX_SAMPLE_BYTES or names > MAX_SAMPLE_BYTES:
            self.count(TOO_LARGE)
            return
        sample.dropped = self.dropped
        self.collect(sample, size + names)
