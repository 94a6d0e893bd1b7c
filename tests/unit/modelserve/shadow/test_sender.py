"""What is submitted to the shadow."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.core.sidecar import MAX_SAMPLE_BYTES
from modelserve.events.envelopes import Message
from modelserve.events.results import make_result
from modelserve.http.app import Http
from modelserve.models.version import Loaded
from modelserve_control.common import processes
from shadow_receiver import Receiver, receive, run_on_loop
from signatures import signature
from tiny import Holding, Tiny, loaded

X = signature(x="double")


def ask(receiver: Receiver, method: str, path: str, body: bytes = b"", query: bytes = b"") -> tuple[int, bytes]:
    """Status and body of the answer. The request body comes in two parts."""
    parts = [{"body": body[:3], "more_body": True}, {"body": body[3:], "more_body": False}]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", **parts.pop(0)}

    scope = {
        "type": "http", "method": method, "path": "/decoded", "raw_path": path.encode(), "query_string": query, "scheme": "http",
        "headers": [(b"x-request-id", b"r1"), (b"content-type", b"application/json; charset=utf-8")],
        "server": ("localhost", 80),
    }  # fmt: skip

    async def main(made: Loaded) -> tuple[int, bytes]:
        holding: Any = Holding(made)
        http = Http(Settings.from_environ({}), holding, Metrics(enabled=False), receiver.shadow.submit_answer)
        response = await http.respond(Request(scope, receive))
        assert receiver.messages() == []  # not before the host has the answer
        return response.status_code, bytes(response.body)

    with loaded(Tiny(), X) as made:
        return asyncio.run(main(made))


V2 = b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [0.5]}]}'


@pytest.mark.parametrize(
    ("method", "path", "body", "query"),
    [
        ("POST", "/predict", b'{"x": 0.5}', b""),
        ("POST", "/", b'[{"x": 0.5}]', b""),
        ("POST", "/invocations", b'{"dataframe_records": [{"x": 0.5}]}', b"predict_method=predict"),
        ("POST", "/v2/models/tiny/infer", V2, b""),
        ("POST", "/v2/models/tiny/versions/7/infer", V2, b""),
        ("GET", "/predict", b"", b"x=0.5"),
    ],
)
def test_a_prediction_is_sampled_as_it_was_asked_and_answered(
    method: str, path: str, body: bytes, query: bytes
) -> None:
    with receive() as receiver:
        status, answer = ask(receiver, method, path, body, query)
        (sample,) = receiver.samples()
    assert status == 200
    given = (sample.method, sample.path, sample.query, sample.body, sample.content_type)
    assert given == (method, path, query, body, b"application/json; charset=utf-8")
    assert (sample.answer, sample.request_id, sample.model, sample.version) == (answer, "r1", "tiny", "7")
    assert not sample.event


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/predict", b'{"x": "far"}', 400),
        ("POST", "/predict", b"{", 400),
        ("POST", "/v2/models/other/infer", V2, 404),
        ("GET", "/health", b"", 200),
        ("GET", "/metadata", b"", 200),
        ("PUT", "/predict", b"", 405),
        ("GET", "/v2/models/tiny", b"", 200),
    ],
)
def test_nothing_else_is_sampled(method: str, path: str, body: bytes, status: int) -> None:
    with receive() as receiver:
        assert ask(receiver, method, path, body)[0] == status
        assert receiver.samples() == []


def test_what_asks_for_the_head_of_an_answer_is_not_sampled() -> None:
    with receive() as receiver:
        assert ask(receiver, "HEAD", "/predict", query=b"x=0.5")[0] == 200
        assert receiver.samples() == []


def test_a_share_is_sampled() -> None:
    with receive(25.0) as receiver:
        sampled = sum(receiver.shadow.is_sampled() for _ in range(20_000))
    assert 4_000 < sampled < 6_000  # 16 standard deviations


def test_what_was_published_of_a_message_is_sampled_as_its_payload_with_its_events() -> None:
    message = Message(b'{"x": 0.5}', "m1", {"secret": "s"})
    results = [make_result("tiny", "7", {"prediction": value}, "k", "m1", place) for place, value in enumerate((1, 2))]
    with receive() as receiver, loaded(Tiny(), X) as made:
        receiver.shadow.submit_event(made, message, [])
        receiver.shadow.submit_event(made, message, results)
        (sample,) = receiver.samples()
    assert (sample.event, sample.body, sample.request_id, sample.version) == (True, message.data, "m1", "7")
    assert [one["prediction"] for one in msgspec.json.decode(sample.answer)] == [{"prediction": 1}, {"prediction": 2}]


def test_a_message_id_that_is_no_text_is_sampled_as_far_as_it_is() -> None:
    with receive() as receiver, loaded(Tiny(), X) as made:
        receiver.shadow.submit_event(made, Message(b"{}", "m\ud800"), [make_result("t", "7", {"p": 1}, "k", "m", 0)])
        assert [sample.request_id for sample in receiver.samples()] == ["m?"]


@pytest.mark.parametrize(("longer", "sent"), [(0, True), (1, False)])
def test_what_is_larger_than_the_bound_is_dropped(longer: int, sent: bool) -> None:
    result = make_result("tiny", "7", {"prediction": 1}, "k", "m1", 0)
    with receive() as receiver, loaded(Tiny(), X) as made:
        body = b'{"x": 0.5}'
        answer = ask(receiver, "POST", "/predict", body)[1]
        receiver.samples()
        padding = b" " * (MAX_SAMPLE_BYTES - len(body) - len(answer) + longer)
        assert ask(receiver, "POST", "/predict", padding + body) == (200, answer)
        assert [sample.body == padding + body for sample in receiver.samples()] == [True] * sent
        message = Message(b" " * (MAX_SAMPLE_BYTES - len(result.body) - len("[]") + longer), "m1")
        run_on_loop(partial(receiver.shadow.submit_event, made, message, [result]))
        assert len(receiver.samples()) == sent
        assert receiver.shadow.dropped == 2 * longer


def test_without_a_challenger_nothing_of_it_is_imported() -> None:
    code = """
import sys
from modelserve.server.process import Process
process = Process()
process.http, process.events, process.stop()
sys.exit(any("shadow" in name for name in sys.modules))
"""
    environ = processes.with_sources({"PATH": "", "MODEL_URI": "/nowhere", "LOG_LEVEL": "ERROR", "DRY_RUN": "true"})
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
