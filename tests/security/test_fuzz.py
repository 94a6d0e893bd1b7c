"""R14: 10,000 payloads and 10,000 events that are nearly right, sent to real functions, and what a client might make of the
OpenAPI document: the answer is one of few statuses in one shape, and repeats nothing. FUZZ_COUNT asks for another number."""

from __future__ import annotations

import http.client
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from security.bodies import MARKER, Sent, damaged, events, payloads
from serving import Functions, Served

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

COUNT: Final = int(os.environ.get("FUZZ_COUNT", "10000"))
CLIENTS: Final = 4
TAKEN: Final = {200, 400, 413, 415, 422}
SHAPE: Final = {"error_code", "message", "details", "request_id"}


@pytest.fixture(scope="module", params=["native", "compiled"])
def functions(
    request: pytest.FixtureRequest, models: Library, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Functions]:
    made = Functions(models, tmp_path_factory.mktemp("functions"), request.param, cold=True)
    yield made
    made.close()


def send(served: Served, bodies: Iterable[Sent]) -> list[tuple[Sent, int, bytes]]:
    """Each with its answer, on one connection; one that takes longer than ten seconds fails."""
    answers = []
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=10)
    for sent in bodies:
        path, headers, body = sent
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()
        answers.append((sent, answer.status, answer.read()))
    connection.close()
    return answers


def share(functions: Functions) -> int:
    """How many of all are for this runtime: most for the one that answers sooner."""
    return COUNT // 5 if functions.runtime == "native" else COUNT - COUNT // 5


def answers(served: Served, seeds: list[Sent], count: int) -> Iterator[tuple[Sent, int, Any]]:
    parts = [damaged(seeds, count // CLIENTS, seed) for seed in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        for found in pool.map(lambda part: send(served, part), parts):
            yield from ((sent, status, json.loads(body)) for sent, status, body in found)


def shape(path: str) -> set[str]:
    """The clients of KServe and of the Open Inference Protocol read `error`."""
    return SHAPE | {"error"} if path.startswith(("/v2", "/v1/models")) else SHAPE


def check_failure(sent: Sent, status: int, value: Any) -> None:
    assert status in TAKEN, (sent, status, value)
    assert set(value) == shape(sent[0]), (sent, value)
    written = json.dumps(value)
    assert MARKER not in written, (sent, value)
    assert "Traceback" not in written, (sent, value)


def test_no_payload_breaks_the_http_function(functions: Functions) -> None:
    served = functions("churn")
    statuses: Counter[int] = Counter()
    for sent, status, value in answers(served, payloads(), share(functions)):
        statuses[status] += 1
        if status != 200:
            check_failure(sent, status, value)
    assert served.child.returncode is None
    assert {200, 400} <= set(statuses)
    assert statuses[200] > share(functions) // 20, "some of them are right"


def test_no_event_breaks_the_event_function(functions: Functions) -> None:
    """Each is acked: there is no message that would come for ever."""
    served = functions("churn", "predict_event", DRY_RUN="true")
    letters = predictions = 0
    for sent, status, value in answers(served, events(), share(functions)):
        assert status == 200, (sent, status, value)
        assert MARKER not in json.dumps(value["dead_letters"]), (sent, value)
        letters += len(value["dead_letters"])
        predictions += len(value["predictions"])
    assert served.child.returncode is None
    assert letters > share(functions) // 20
    assert predictions > share(functions) // 20


OPERATIONS: Final = [("POST", "/predict"), ("POST", "/invocations"), ("GET", "/predict")]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_the_openapi_document_allows_is_answered(functions: Functions, method: str, path: str) -> None:
    """As its readers understand it: what conforms is never a failure of the server, and each answer is described."""
    served = functions("churn")
    schema = schemathesis.openapi.from_dict(served.client.get("/openapi.json").json())
    operation = schema[path][method]

    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(base_url=served.url)
        assert answer.status_code in TAKEN, (case.body, answer.text)
        if answer.status_code != 200:
            assert set(answer.json()) == shape(case.path)

    ask()
