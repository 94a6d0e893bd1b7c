from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.http.app import Http, OnPrediction
from modelserve.models import version as loading
from modelserve.models.version import header_value
from modelserve.payloads import decode
from modelserve.payloads.decode import PARQUET
from modelserve.schema.signature import check_table
from signatures import signature
from tiny import Holding, Tiny, loaded

X = signature(x="double")


def post(
    path: str,
    content: bytes,
    name: str = "tiny",
    ready: bool = True,
    draining: bool = False,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    runtime: Tiny | None = None,
    on_prediction: OnPrediction | None = None,
    **environ: str,
) -> Response:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    scope = {
        "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(), "query_string": b"",
        "headers": [(key.encode(), value.encode()) for key, value in {"x-request-id": "r1", **(headers or {})}.items()],
        "scheme": "http", "server": ("localhost", 80),
    }  # fmt: skip
    with loaded(runtime or Tiny(), X) as made:
        object.__setattr__(made, "name", name)
        holding: Any = Holding(made if ready else None, name)
        holding.draining = draining
        function = Http(Settings.from_environ(environ), holding, Metrics(enabled=False), on_prediction)
        return asyncio.run(function.respond(Request(scope, receive)))


@pytest.mark.parametrize(
    ("text", "value"),
    [("churn", "churn"), ("a b%", "a b%"), ("modèle", "mod%C3%A8le"), ("a\nb", "a%0Ab"), ("\udcff", "%3F")],
)
def test_a_header_is_printable_ascii(text: str, value: str) -> None:
    assert header_value(text) == value.encode()


@pytest.mark.parametrize("path", ["/predict", "/nothing"])
def test_a_model_of_any_name_answers(path: str) -> None:
    answer = post(path, b'{"x": 1}', "modèle 模型")
    assert answer.status_code == (200 if path == "/predict" else 404)
    assert answer.headers["x-model-name"] == "mod%C3%A8le%20%E6%A8%A1%E5%9E%8B"
    assert post("/nothing", b"", "modèle", ready=False).headers["x-model-version"] == "none"


def test_an_answer_that_cannot_be_signed_is_the_one_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "header_value", lambda text: text.encode("ascii"))
    answer = post("/nothing", b"", "模型")
    assert (answer.status_code, json.loads(bytes(answer.body))["request_id"]) == (500, "r1")


def v2(rows: int) -> bytes:
    tensor = {"name": "x", "shape": [rows], "datatype": "FP64", "data": [[0.5]] * rows}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.mark.parametrize("path", ["/predict", "/v2/models/tiny/infer"])
@pytest.mark.parametrize(("rows", "here"), [(1, True), (5_000, False)])
def test_many_rows_are_decoded_and_checked_on_another_thread(
    monkeypatch: pytest.MonkeyPatch, path: str, rows: int, here: bool
) -> None:
    threads = []

    def check(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return checking(*args)

    checking = check_table
    monkeypatch.setattr(decode, "check_table", check)
    body = json.dumps([{"x": 0.5, "y": []}] * rows).encode() if path == "/predict" else v2(rows)
    assert post(path, body).status_code == 200
    assert [thread == threading.get_ident() for thread in threads] == [here]


def test_whoever_reads_the_answers_gets_them_before_they_are_compressed() -> None:
    read: list[bytes] = []

    def keep(request: Any, headers: Any, body: Any, loaded: Any, response: Response) -> None:
        read.append(bytes(response.body))

    body = json.dumps([{"x": 0.5}] * 5_000).encode()
    answer = post("/predict", body, headers={"accept-encoding": "gzip"}, on_prediction=keep)
    assert answer.headers["content-encoding"] == "gzip"
    assert read == [gzip.decompress(bytes(answer.body))]


@pytest.mark.parametrize(
    ("name", "sent", "status"),
    [
        ("a b", "a%20b", 200),
        ("modèle", "mod%C3%A8le", 200),
        ("a/b", "a%2Fb", 200),
        ("tiny", "t%69ny", 404),
        ("a.b", "a%2Eb", 404),
        ("a%69", "a%2569", 200),
    ],
)
def test_the_name_of_a_model_is_encoded_where_it_must_be(name: str, sent: str, status: int) -> None:
    assert post(f"/v2/models/{sent}/infer", v2(1), name).status_code == status


@pytest.mark.parametrize(("ready", "draining", "status"), [(True, False, 200), (False, False, 503), (True, True, 503)])
def test_health_is_for_a_version_that_goes_on_serving(ready: bool, draining: bool, status: int) -> None:
    for path in ("/health", "/ping", "/v2/health/ready"):
        assert post(path, b"", ready=ready, draining=draining, method="GET").status_code == status


@pytest.mark.parametrize("own", ["a b", "x" * 129, "é", 'a"b'])
def test_a_request_id_of_another_form_is_not_repeated(own: str) -> None:
    answer = post("/predict", b'{"x": 1}', headers={"x-request-id": own})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_a_request_that_the_model_fails_is_found_in_the_log_by_its_id(caplog: pytest.LogCaptureFixture) -> None:
    def fail(batch: Any) -> Any:
        raise ValueError("secret")

    answer = post("/predict", b'{"x": 1}', runtime=Tiny(fail))
    assert (answer.status_code, json.loads(bytes(answer.body))["request_id"]) == (500, "r1")
    (line,) = [one for one in caplog.records if one.name == "modelserve.http.endpoint"]
    assert (line.message, line.fields) == (  # type: ignore[attr-defined]  # what our logs have beside the message
        "The model raised ValueError on these rows.",
        {"request_id": "r1", "error_code": "MODEL_FAILED"},
    )


@pytest.mark.parametrize(
    ("body", "code", "columns"),
    [(b'{"x": "secret"}', "SIGNATURE_MISMATCH", ["x"]), (b"{", "MALFORMED_REQUEST", [])],
)
def test_a_refused_request_is_one_line_with_its_columns_and_no_value(
    caplog: pytest.LogCaptureFixture, body: bytes, code: str, columns: list[str]
) -> None:
    caplog.set_level("INFO", "modelserve.http.endpoint")
    assert post("/predict", body).status_code == 400
    (line,) = [one for one in caplog.records if one.name == "modelserve.http.endpoint"]
    fields = {"request_id": "r1", "error_code": code, "status": 400, "columns": columns}
    assert (line.message, line.fields) == ("a request was refused", fields)  # type: ignore[attr-defined]  # as above


def test_without_parquet_it_is_refused_before_the_body_is_read() -> None:
    answer = post("/predict", b"PAR1", headers={"content-type": PARQUET}, PARQUET="false")
    assert (answer.status_code, json.loads(bytes(answer.body))["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
