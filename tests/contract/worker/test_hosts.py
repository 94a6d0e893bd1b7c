"""`modelserve local up --gke`: the container answers what the functions answer, byte for byte, and so does the worker."""

from __future__ import annotations

import http.client
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from google.pubsub_v1 import PubsubMessage

from contract.events.topics import Topics, push_body
from contract.http.customers import JSON_FORMS, RECORDS, ROWS, as_csv, as_parquet, as_v2
from modelserve_control.common import processes
from modelserve_control.common.processes import Child
from modelserve_control.local import resources
from modelserve_control.local.resources import Names
from serving import release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

JSON = {"content-type": "application/json"}
HOST = {"date", "server"}  # headers that name the host
# What tells two processes of the same version apart.
OWN = re.compile(rb'"(loaded_at)":"[^"]*"|"(load_seconds)":\{[^}]*\}')


@dataclass(frozen=True)
class Sent:
    method: str
    target: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def post(target: str, value: Any, **headers: str) -> Sent:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Sent("POST", target, body, JSON | {name.replace("_", "-"): text for name, text in headers.items()})


RECORD = RECORDS[0]
HTTP: dict[str, Sent] = {
    **{f"{form} to {path}": post(path, value) for form, value in JSON_FORMS.items() for path in ("/invocations", "/")},
    "a record": post("/predict", RECORD),
    "records": post("/predict", RECORDS),
    "a query": Sent("GET", "/predict?contract=one_year&tenure=41&monthlycharges=79.85"),
    "an escaped query": Sent("GET", "/?contract=m%C3%BCnchen+%26&tenure=41&monthlycharges=79.85"),
    "CSV": Sent("POST", "/invocations", as_csv(), {"content-type": "text/csv; charset=utf-8"}),
    "Parquet": Sent("POST", "/predict", as_parquet(), {"content-type": "application/vnd.apache.parquet"}),
    "V2": post("/v2/models/churn/infer", as_v2()),
    "V2 of both methods": post("/v2/models/churn/versions/1/infer", as_v2(["predict", "predict_proba"])),
    "a method": post("/predict?predict_method=predict_proba", RECORDS),
    "a method in params": post("/invocations", {"instances": ROWS, "params": {"predict_method": "predict_proba"}}),
    "an unknown method": post("/predict?predict_method=explain", RECORDS),
    "two bad cells": post("/predict", RECORD | {"tenure": 1.7, "monthlycharges": "much"}),
    "a missing column": post("/predict", {"contract": "one_year"}),
    "an extra column": post("/predict", RECORD | {"team": "x"}),
    "broken JSON": post("/predict", b'{"contract": '),
    "a duplicate key": post("/predict", b'{"tenure": 1, "tenure": 2}'),
    "10,000 deep": post("/predict", b"[" * 10_000),
    "no body": post("/invocations", b""),
    "a body too large": post("/predict", b" " * 9_000_000),
    "a media type": Sent("POST", "/predict", b"<a/>", {"content-type": "application/xml"}),
    "a compressed body": post("/predict", b"x", content_encoding="gzip"),
    "an unknown address": Sent("GET", "/nothing/here?a=b"),
    "an escaped address": Sent("GET", "/%2e%2e/etc%00"),
    "another model": post("/v2/models/other/infer", as_v2()),
    **{f"{method} /predict": Sent(method, "/predict") for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")},
    **{f"HEAD {path}": Sent("HEAD", path) for path in ("/health", "/metadata", "/predict")},
    **{f"GET {path}": Sent("GET", path) for path in (
        "/", "/health", "/health/live", "/health/ready", "/ping", "/version", "/metadata", "/openapi.json", "/robots.txt", "/favicon.ico",
        "/v2/health/live", "/v2/health/ready", "/v2/models/churn", "/v2/models/churn/ready", "/v2/models/churn/versions/7",
    )},
}  # fmt: skip
EVENTS: dict[str, Sent] = {
    "a push": post("/", push_body(RECORD, "one")),
    "a push of many records": post("/any/path", push_body(RECORDS * 20, "many")),
    "good and bad records": post("/", push_body([RECORD, 7, {"tenure": "x"}], "mixed")),
    "poison": post("/", push_body(b"\x00", "poison")),
    "too old": post("/", push_body(RECORD, "old", publishTime="2020-01-01T00:00:00Z")),
    "no envelope": post("/", RECORD),
    "a binary CloudEvent": post("/", RECORD, ce_id="e1", ce_specversion="1.0", ce_type="t", ce_source="s"),
    "a push without wrapper": post("/", RECORD, x_goog_pubsub_message_id="raw"),
    "a body too large": post("/", b" " * 15_000_000),
    **{f"GET {path}": Sent("GET", path) for path in ("/", "/health/live", "/health/ready", "/robots.txt")},
    "PUT": Sent("PUT", "/"),
}


@pytest.fixture(scope="module")
def addresses(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    path = tmp_path_factory.mktemp("hosts")
    release(
        path / "store",
        "churn",
        models.path("churn"),
        {"positive_class": "yes", "threshold": 0.5, "label": "churn"},
        runtime="compiled",
    )
    uri = f"{path}/store/models/churn@champion"
    command = [
        sys.executable,
        "-m",
        "modelserve_control.local.local",
        "up",
        "--gke",
        "--json",
        "--model",
        uri,
        "--event-model",
        uri,
    ]
    # starlette lists the methods of a set, in an order that else is each process's own.
    own = {"TMPDIR": str(path), "PATH": "", "NO_GCE_CHECK": "true", "PYTHONHASHSEED": "0"}
    environ = processes.with_sources(own)
    log = path / "log"
    child = processes.start("modelserve local up --gke", command, log, environ)
    try:
        child.wait_until(lambda: child.first_line().startswith("{"), 120)
        found: dict[str, Any] = json.loads(child.first_line())
        ready(child, found)
        yield found
    finally:
        processes.stop([child], 3 * processes.GRACE)


def ready(child: Child, found: dict[str, Any]) -> None:
    for name in ("predict", "predict_event", "http", "events", "worker"):
        child.wait_until(processes.http_probe(f"{found[name]}/health/ready"))


@dataclass(frozen=True)
class Answer:
    version: int
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


def ask(url: str, sent: Sent) -> Answer:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request(sent.method, sent.target, sent.body, {"x-request-id": "the-same", **sent.headers})
        response = connection.getresponse()
        body = OWN.sub(rb"\1\2", response.read())
        skipped = HOST | ({"content-length"} if sent.target == "/metadata" else set())
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in skipped]
        return Answer(response.version, response.status, response.reason, headers, body)
    finally:
        connection.close()


@pytest.mark.parametrize("case", HTTP)
def test_the_container_answers_as_the_http_function(addresses: dict[str, Any], case: str) -> None:
    function, container = (ask(addresses[name], HTTP[case]) for name in ("predict", "http"))
    assert container == function
    assert ("x-request-id", "the-same") in function.headers or function.status in (404, 405)


@pytest.mark.parametrize("case", EVENTS)
def test_the_container_answers_as_the_event_function(addresses: dict[str, Any], case: str) -> None:
    function, container = (ask(addresses[name], EVENTS[case]) for name in ("predict_event", "events"))
    assert container == function


def test_the_function_and_the_worker_publish_the_same(addresses: dict[str, Any]) -> None:
    """Both have a subscription to the topic; each event is answered twice, and nobody can tell the answers apart."""
    host, names = addresses["pubsub"], Names(addresses["project"], addresses["bucket"])
    with resources.subscriber(host) as subscriber, resources.publisher(host) as publisher:
        topics = Topics(host, names, subscriber, publisher)
        emptied = [topics._pull(topic, wait=False) for topic in (names.predictions_pull, names.dead_letter_pull)]
        assert all(emptied), "the events function and its container have published before"
        bodies = [json.dumps(RECORDS).encode(), b"poison"]
        publisher.publish(topic=names.events, messages=[PubsubMessage(data=body) for body in bodies])
        seen = sorted(topics.predictions(2 * len(RECORDS)), key=lambda one: one.data)
        dead = topics.dead_letters(2)
    assert seen[::2] == seen[1::2]
    assert dead[0] == dead[1]
