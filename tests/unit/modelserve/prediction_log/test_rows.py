"""Every form of a request gives the same rows of the log."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from contract.http.customers import COLUMNS, JSON_FORMS, RECORDS, as_csv, as_parquet, as_v2
from modelserve.core.settings import Settings
from modelserve.prediction_log.rows import RowMaker
from modelserve.prediction_log.sender import Answered

TYPES = ("string", "long", "double")
SIGNATURE = {"inputs": [{"name": name, "type": kind} for name, kind in zip(COLUMNS, TYPES, strict=True)]}
LABELS = ["yes", "no", "yes"]
PREDICTIONS = {"predictions": LABELS}
V2 = {"outputs": [{"name": "prediction", "shape": [3], "datatype": "BYTES", "data": LABELS}]}
FORMS: dict[str, tuple[str, bytes, bytes, Any]] = {
    **{
        name: ("/invocations", b"application/json", json.dumps(body).encode(), PREDICTIONS)
        for name, body in JSON_FORMS.items()
    },
    "csv": ("/invocations", b"text/csv; charset=utf-8", as_csv(), PREDICTIONS),
    "parquet": ("/invocations", b"application/vnd.apache.parquet", as_parquet(), PREDICTIONS),
    "V2": ("/v2/models/churn/infer", b"application/json", json.dumps(as_v2()).encode(), V2),
}


def make_answer(path: str, kind: bytes, body: bytes, answer: Any, **more: Any) -> Answered:
    data, signature = json.dumps(answer).encode(), msgspec.json.encode(SIGNATURE)
    return Answered(
        False, "POST", path.encode(), b"", kind, body, data, "churn", "1", b"r1", 1e9, 1.5, signature=signature, **more
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_request_is_a_row_for_each_of_its_records(form: str) -> None:
    rows = RowMaker(Settings.from_environ({"LOG_WITHOUT": "tenure, other"})).make_rows(make_answer(*FORMS[form]))
    inputs = [{name: value for name, value in record.items() if name != "tenure"} for record in RECORDS]
    assert [json.loads(row["inputs"]) for row in rows] == inputs
    assert [json.loads(row["answer"]) for row in rows] == [{"prediction": label} for label in LABELS]
    own = rows[0]["prediction_id"].removesuffix("/0")
    assert [row["prediction_id"] for row in rows] == [f"{own}/{place}" for place in range(3)]
    assert [row["unknown_categories"] for row in rows] == [None] * 3
    assert {(row["caller_id"], row["request_id"], row["time"]) for row in rows} == {
        (None, "r1", "2001-09-09T01:46:40.000000Z")
    }


@pytest.mark.parametrize(("counts", "cells"), [([0, 1, 2], [0, 1, 2]), ([], [0, 0, 0])])
def test_each_row_has_its_cells_with_an_unknown_category(counts: list[int], cells: list[int]) -> None:
    one = make_answer(*FORMS["dataframe_records"], unknown_categories=counts)
    assert [row["unknown_categories"] for row in RowMaker(Settings.from_environ({})).make_rows(one)] == cells


def test_the_id_of_the_caller_is_that_of_its_record() -> None:
    body = json.dumps(RECORDS[0]).encode()
    one = make_answer("/predict", b"application/json", body, {"prediction": "yes"}, caller_id=b"order-7")
    maker = RowMaker(Settings.from_environ({}))
    first, again = [row for _ in range(2) for row in maker.make_rows(one)]
    assert (first["caller_id"], again["caller_id"]) == ("order-7", "order-7")
    assert first["prediction_id"] != again["prediction_id"]  # which is the log's own


@pytest.mark.parametrize("caller_id", [b"", b"a b", b"\xff", b"x" * 129])
def test_an_id_that_is_none_is_null(caller_id: bytes) -> None:
    one = make_answer(*FORMS["dataframe_records"], caller_id=caller_id)
    assert {row["caller_id"] for row in RowMaker(Settings.from_environ({})).make_rows(one)} == {None}
