"""A function that logs its predictions: the rows that Pub/Sub gets for each form of a request."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from contract.http.customers import JSON_FORMS, RECORDS, as_binary, as_csv, as_parquet, as_v2
from contract.shadow.shadows import served_like_others
from pubsub_host import NAMES, host, pull
from serving import Functions, Served

__all__ = ["host"]

UNKNOWN = [0, 0, 1]  # cells of each record
V2 = "/v2/models/churn/infer"


@pytest.fixture(scope="module")
def served(functions: Functions, host: str) -> Iterator[Served]:
    found = functions("churn", LOG_TOPIC=NAMES.log, PUBSUB_EMULATOR_HOST=host)
    with served_like_others(found.child):
        yield found


def ask_in_each_form(served: Served) -> dict[str, list[int]]:
    """The records that each request has asked for, by the id of the request."""
    post = served.client.post
    binary, json_size = as_binary()
    everything = range(len(RECORDS))
    answers = {
        **{name: post("/invocations", json=body, headers=make_headers(name)) for name, body in JSON_FORMS.items()},
        "records": post("/predict", json=RECORDS, headers=make_headers("records")),
        "v1": post("/v1/models/churn:predict", json={"instances": RECORDS}, headers=make_headers("v1")),
        "csv": post("/invocations", content=as_csv(), headers=make_headers("csv", "text/csv")),
        "parquet": post("/", content=as_parquet(), headers=make_headers("parquet", "application/vnd.apache.parquet")),
        "v2": post(V2, json=as_v2(), headers=make_headers("v2")),
        "binary": post(
            V2,
            content=binary,
            headers=make_headers("binary", "application/octet-stream")
            | {"Inference-Header-Content-Length": str(json_size)},
        ),
    }
    found = {name.replace(" ", "-"): list(everything) for name in answers}
    for row in everything:
        answers[f"get-{row}"] = served.client.get("/predict", params=RECORDS[row], headers=make_headers(f"get-{row}"))
        answers[f"record-{row}"] = post("/predict", json=RECORDS[row], headers=make_headers(f"record-{row}"))
        found |= {f"get-{row}": [row], f"record-{row}": [row]}
    assert {answer.status_code for answer in answers.values()} == {200}
    return found


def make_headers(request_id: str, media_type: str = "application/json") -> dict[str, str]:
    return {"x-request-id": request_id.replace(" ", "-"), "content-type": media_type}


def test_each_form_is_logged_with_its_inputs_and_unknown_categories(
    functions: Functions, served: Served, host: str
) -> None:
    asked = ask_in_each_form(served)
    rows: dict[str, list[Any]] = defaultdict(list)
    for message in pull(host, NAMES.log_pull, sum(map(len, asked.values()))):
        row = json.loads(message.data)
        rows[row["request_id"]].append((row["prediction_id"], json.loads(row["inputs"]), row["unknown_categories"]))
    # A native version knows no categories.
    unknown = UNKNOWN if functions.runtime == "compiled" else [None] * len(RECORDS)
    assert {name: [row[1:] for row in sorted(found)] for name, found in rows.items()} == {
        name: [(RECORDS[row], unknown[row]) for row in records] for name, records in asked.items()
    }
