"""Bad input: one shape, the right status, every bad cell named, and no value ever sent back."""

from __future__ import annotations

import json
import socket
from select import select
from typing import Any

import httpx
import pytest

from contract.http.customers import RECORDS
from faults.proxy import wait_for
from http_server import WAIT_SECONDS
from serving import JSON, Functions, Served

SECRET = "s3cr3t-value"
GOOD: dict[str, Any] = {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}

BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "not JSON": (b'{"contract": ' + SECRET.encode(), "MALFORMED_REQUEST"),
    "empty": (b"", "MALFORMED_REQUEST"),
    "NaN": (b'{"contract":"a","tenure":1,"monthlycharges":NaN}', "MALFORMED_REQUEST"),
    "1e999": (b'{"contract":"a","tenure":1,"monthlycharges":1e999}', "MALFORMED_REQUEST"),
    "5,000 digits": (b'{"contract":"a","tenure":' + b"1" * 5000 + b',"monthlycharges":1}', "MALFORMED_REQUEST"),
    "10,000 deep list": (b"[" * 10_000 + b"]" * 10_000, "MALFORMED_REQUEST"),
    "10,000 deep object": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "MALFORMED_REQUEST"),
    "40 deep": (b"[" * 40 + b"]" * 40, "MALFORMED_REQUEST"),
    "a duplicate key": (b'{"tenure":1,"tenure":2,"contract":"a","monthlycharges":1}', "MALFORMED_REQUEST"),
    "not UTF-8": (b'{"contract":"\xff"}', "MALFORMED_REQUEST"),
    "a string": (b'"text"', "MALFORMED_REQUEST"),
    "null": (b"null", "MALFORMED_REQUEST"),
    "two forms": (b'{"instances":[],"inputs":[]}', "MALFORMED_REQUEST"),
    "unknown beside a form": (b'{"instances":[],"extra":1}', "MALFORMED_REQUEST"),
    "an unknown param": (b'{"instances":[],"params":{"s3cr3t-value":1}}', "INVALID_PARAMS"),
    "an unknown method": (b'{"instances":[],"params":{"predict_method":"s3cr3t-value"}}', "UNKNOWN_METHOD"),
    "columns of two lengths": (b'{"inputs":{"contract":["a"],"tenure":[]}}', "MALFORMED_REQUEST"),
    "a ragged row": (b'{"dataframe_split":{"columns":["contract"],"data":[["a",1]]}}', "MALFORMED_REQUEST"),
    "a column twice": (b'{"dataframe_split":{"columns":["contract","contract"],"data":[]}}', "MALFORMED_REQUEST"),
}

BAD_CELLS: list[tuple[str, Any, str]] = [
    ("tenure", 1.7, "has a fraction, needs long"),
    ("tenure", 2**63, "out of range for long"),
    ("tenure", True, "a boolean, needs long"),
    ("tenure", "41", "a string, needs long"),
    ("tenure", None, "null in a required column"),
    ("monthlycharges", 9007199254740993, "a whole number that double cannot keep exactly"),
    ("monthlycharges", SECRET, "a string, needs double"),
    ("contract", 7, "an integer, needs string"),
    ("contract", [SECRET], "a list, needs string"),
]


@pytest.fixture(scope="module")
def served(functions: Functions) -> Served:
    return functions("churn")


def check_shape(answer: httpx.Response) -> dict[str, Any]:
    """The one shape of every failure."""
    body: dict[str, Any] = answer.json()
    assert set(body) == {"error_code", "message", "details", "request_id"}
    assert body["request_id"] == answer.headers["x-request-id"]
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert "/" not in body["message"].replace("application/", "").replace("text/", "").replace("GET /openapi", "")
    return body


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_malformed_body_is_400(served: Served, case: str) -> None:
    data, code = BAD_BODIES[case]
    answer = served.client.post("/predict", content=data, headers=JSON)
    assert (answer.status_code, check_shape(answer)["error_code"]) == (400, code)


@pytest.mark.parametrize(("column", "value", "reason"), BAD_CELLS)
def test_a_value_that_does_not_fit_is_named_and_never_changed(
    served: Served, column: str, value: Any, reason: str
) -> None:
    answer = served.post("/predict", GOOD | {column: value})
    body = check_shape(answer)
    assert (answer.status_code, body["error_code"]) == (400, "SIGNATURE_MISMATCH")
    assert body["details"] == [{"row": 0, "column": column, "reason": reason}]


def test_all_bad_cells_of_a_request_are_reported_together(served: Served) -> None:
    records = [GOOD, GOOD | {"tenure": 0.5, "contract": 1}, {"contract": "a", "tenure": 1}]
    body = check_shape(served.post("/invocations", {"dataframe_records": records}))
    assert {(cell["row"], cell["column"]) for cell in body["details"]} == {
        (1, "tenure"),
        (1, "contract"),
        (2, "monthlycharges"),
    }


@pytest.mark.parametrize("form", ["record", "csv", "query"])
def test_a_misspelt_column_is_hinted_at_and_never_repeated(served: Served, form: str) -> None:
    sent = {name: value for name, value in GOOD.items() if name != "tenure"} | {"tenur<b>": "5"}
    if form == "csv":
        lines = f"{','.join(sent)}\n{','.join(map(str, sent.values()))}\n"
        answer = served.client.post("/invocations", content=lines, headers={"content-type": "text/csv"})
    elif form == "query":
        answer = served.client.get("/predict", params={name: str(value) for name, value in sent.items()})
    else:
        answer = served.post("/predict", sent)
    body = check_shape(answer)
    reason = "a required column is missing; one with a similar name is there"
    assert body["details"] == [{"row": None, "column": "tenure", "reason": reason}]
    assert "<b>" not in answer.text


def test_a_missing_column_is_named_once(served: Served) -> None:
    body = check_shape(served.post("/predict", [{"contract": "a", "tenure": 1}] * 3))
    assert body["details"] == [{"row": None, "column": "monthlycharges", "reason": "a required column is missing"}]


def test_a_query_is_parsed_by_the_signatures_types(served: Served) -> None:
    answer = served.client.get("/predict", params={"contract": "1", "tenure": "41.5", "monthlycharges": "abc"})
    reasons = {cell["column"]: cell["reason"] for cell in check_shape(answer)["details"]}
    assert reasons == {"tenure": "a string, needs long", "monthlycharges": "a string, needs double"}


def test_an_unknown_method_names_those_there_are(served: Served) -> None:
    body = check_shape(served.client.get("/", params={**GOOD, "predict_method": "transform"}))
    assert "predict, predict_proba" in body["message"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
)
def test_another_media_type_is_415(served: Served, kind: str) -> None:
    answer = served.client.post("/predict", content=json.dumps(GOOD).encode(), headers={"content-type": kind})
    assert (answer.status_code, check_shape(answer)["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_plain_record_at_invocations_is_told_the_forms(served: Served) -> None:
    body = check_shape(served.post("/invocations", GOOD))
    assert "dataframe_split, dataframe_records, instances, inputs" in body["message"]


def test_every_answer_names_model_version_and_request(served: Served) -> None:
    for answer in (served.post("/predict", GOOD), served.post("/predict", {}), served.client.get("/nothing")):
        assert (answer.headers["x-model-name"], answer.headers["x-model-version"]) == ("churn", "1")
        assert len(answer.headers["x-request-id"]) >= 16
    given = served.post("/predict", GOOD, headers={"x-request-id": "abc-123"})
    assert given.headers["x-request-id"] == "abc-123"
    forged = served.post("/predict", GOOD, headers={"x-request-id": "a b<script>"})
    assert forged.headers["x-request-id"] != "a b<script>"


# --- limits ---


@pytest.fixture(scope="module")
def small(functions: Functions) -> Served:
    limits = {"MAX_REQUEST_BYTES": "2000", "MAX_ROWS": "3", "MAX_COLUMNS": "10", "MAX_DEPTH": "5"}
    return functions("churn", **limits)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_not(small: Served, chunked: bool) -> None:
    for size, status in ((2000, 200), (2001, 413)):
        data = json.dumps(RECORDS[0]).encode().ljust(size)
        content = iter([data[:700], data[700:]]) if chunked else data
        answer = small.client.post("/predict", content=content, headers=JSON)
        assert answer.status_code == status, answer.text
    body = check_shape(answer)
    assert "2,000 bytes, the limit that MAX_REQUEST_BYTES sets" in body["message"]
    assert "modelserve score" in body["message"]


@pytest.mark.parametrize("count", [3, 4])
def test_rows_over_the_limit_are_413(small: Served, count: int) -> None:
    answer = small.post("/predict", [GOOD] * count)
    assert answer.status_code == (200 if count == 3 else 413)
    csv = b"contract,tenure,monthlycharges\n" + b"a,1,2\n" * count
    answer = small.client.post("/predict", content=csv, headers={"content-type": "text/csv"})
    assert answer.status_code == (200 if count == 3 else 413)


def test_columns_and_depth_over_the_limit_are_refused(small: Served) -> None:
    assert small.post("/predict", {f"c{n}": n for n in range(11)}).status_code == 413
    assert small.post("/predict", GOOD | {"extra": [[[[[[1]]]]]]}).status_code == 400


def test_100_000_columns_do_not_stop_the_server(served: Served) -> None:
    assert served.post("/predict", {f"c{n}": n for n in range(100_000)}).status_code == 413
    assert served.post("/predict", GOOD).status_code == 200


def test_a_client_that_breaks_off_does_not_stop_the_server(served: Served) -> None:
    host, _, port = served.url.removeprefix("http://").partition(":")
    for _ in range(20):
        with socket.create_connection((host, int(port))) as broken:
            broken.sendall(b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
    assert served.post("/predict", GOOD).status_code == 200


def test_a_client_that_sends_slowly_gets_504_and_others_their_answers(functions: Functions) -> None:
    served = functions("churn", PREDICT_TIMEOUT_SECONDS="1")
    host, _, port = served.url.removeprefix("http://").partition(":")

    def another_is_answered_meanwhile() -> bool:
        """Where this machine stalls for a second, the slow one's time is up first."""
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{")
            status = served.post("/predict", GOOD).status_code
            waits = not select([slow], [], [], 0)[0]
            slow.settimeout(WAIT_SECONDS)
            assert slow.recv(100).startswith(b"HTTP/1.1 504")
            return waits and status == 200

    wait_for(another_is_answered_meanwhile, WAIT_SECONDS)
