"""R29: whatever is sent and whatever the server keeps secret, no answer and no line of its log repeats it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from contract.events.topics import Topics, push_body
from modelserve_control.local import resources
from modelserve_control.local.resources import Names
from pubsub_host import serve_in_thread
from serving import JSON, PATIENT, Functions, Served, serving

SECRET: Final = "s3cr3t-of-the-environment"
ENVIRON: Final = {"DATABASE_PASSWORD": SECRET, "API_TOKEN": f"Bearer {SECRET}", "MODEL_KEY": SECRET}
MARKER: Final = "m4rk3r-of-a-caller"
GOOD: Final[dict[str, Any]] = {"x": 1.0, "marked": False}
# Answered by the model's own exception, whose text holds the whole row.
RAISING: Final[dict[str, Any]] = {"x": 8675309.5, "marked": True}
HIDDEN: Final = (SECRET, MARKER, "8675309.5", "Traceback")

BODIES: Final[dict[str, Any]] = {
    "a value of another type": GOOD | {"x": MARKER},
    "a nested value": GOOD | {"x": [{MARKER: MARKER}]},
    "an extra column": GOOD | {MARKER: MARKER},
    "a misspelt column": {"x": 1.0, f"marked{MARKER}": MARKER},
    "a row that the model raises on": RAISING,
    "rows of which one raises": [GOOD, RAISING],
    "a form with something beside it": {"instances": [GOOD], MARKER: MARKER},
    "params": {"instances": [GOOD], "params": {MARKER: MARKER}},
    "a method": {"instances": [GOOD], "params": {"predict_method": MARKER}},
    "a split": {"dataframe_split": {"columns": [MARKER, MARKER], "data": [[MARKER, MARKER]]}},
    "tensors": {"inputs": [{"name": MARKER, "shape": [1], "datatype": MARKER, "data": [MARKER]}]},
    "broken JSON": f'{{"{MARKER}": "{MARKER}',
    "a key twice": f'{{"{MARKER}": 1, "{MARKER}": 2}}',
    "no UTF-8": MARKER.encode() + b"\xff",
    "text": json.dumps(MARKER),
}


def content(body: Any) -> bytes:
    return body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()


def check(answer: httpx.Response) -> None:
    told = answer.text + str(answer.headers)
    assert [hidden for hidden in HIDDEN if hidden in told] == [], answer.text


def check_log(served: Served) -> None:
    log = served.child.log.read_text()
    assert "ValueError" in log, "what the model raised is told by its type"
    assert [hidden for hidden in HIDDEN if hidden in log] == []


@pytest.fixture(scope="module")
def http(functions: Functions) -> Served:
    return functions("raising", METRICS="true", **ENVIRON)


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v2/models/raising/infer"])
def test_no_answer_of_the_http_function_repeats_a_body(http: Served, path: str, case: str) -> None:
    check(http.client.post(path, content=content(BODIES[case]), headers=JSON))


def test_no_answer_and_no_line_of_its_log_repeats_anything(http: Served) -> None:
    csv = {"content-type": "text/csv"}
    for body in (f"x,marked\n{MARKER},{MARKER}\n", f"{MARKER},{MARKER}\n1,2\n", f'x,marked\n1,"{MARKER}'):
        check(http.client.post("/predict", content=body, headers=csv))
    parquet = {"content-type": "application/vnd.apache.parquet"}
    check(http.client.post("/predict", content=b"PAR1" + MARKER.encode() + b"PAR1", headers=parquet))
    for path in ("/", "/predict", f"/{MARKER}", f"/v2/models/{MARKER}", f"/v2/models/raising/versions/{MARKER}"):
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            check(http.client.request(method, path, params={MARKER: MARKER, "x": MARKER}))
    for name in ("content-type", "x-request-id", "content-encoding", "authorization", "traceparent", "x-other"):
        check(http.client.post("/predict", content=b"{}", headers={name: f"{MARKER} <{MARKER}>"}))
    for path in ("/metadata", "/openapi.json", "/metrics", "/version", "/health/ready", "/v2/models/raising"):
        check(http.client.get(path))
    for body in BODIES.values():
        http.client.post("/predict", content=content(body), headers=JSON)
    check_log(http)


@pytest.fixture
def topics() -> Iterator[Topics]:
    names = Names("hygiene", "hygiene")
    with serve_in_thread() as host:
        resources.make_topics(host, names)
        with resources.subscriber(host) as subscriber, resources.publisher(host) as publisher:
            yield Topics(host, names, subscriber, publisher)


def test_an_event_is_repeated_only_where_it_is_kept(functions: Functions, topics: Topics, tmp_path: Path) -> None:
    """A dead letter has the data that came, as it must; its reason, the answer and the log have nothing of it."""
    settings = {"MODEL_URI": str(functions.models.path("raising")), "MODEL_TRUST": "pickle"}
    settings |= {**PATIENT, **ENVIRON, **topics.settings}
    dead = 0
    with serving(tmp_path / "log", settings, "predict_event", "/health/ready") as served:
        for case, body in BODIES.items():
            answer = served.post("/", push_body(content(body), f"id of {case}"))
            check(answer)
            dead += answer.json().get("dead_lettered", 0)
        for plain in (MARKER, f'{{"message": {{"data": "{MARKER}"}}}}', "[" * 10_000):
            answer = served.client.post("/", content=plain, headers=JSON)
            check(answer)
            dead += answer.json()["dead_lettered"]
        letters = topics.dead_letters(dead)
        check_log(served)
    assert dead > len(BODIES) / 2
    for one in letters:
        told = json.dumps(dict(one.attributes))
        assert [hidden for hidden in HIDDEN if hidden in told] == []
