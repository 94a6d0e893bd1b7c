"""A model that drops rows, behind every door: each row has its own answer or none, and nobody has another row's."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from batches import Batches, scored
from command_line import CommandLine
from models.library import Library
from serving import Functions

ROWS: list[dict[str, Any]] = [{"x": 9.0, "y": 0.1}, {"x": -9.0, "y": None}, {"x": 9.0, "y": 0.1}, {"x": -9.0, "y": 0.1}]
LABELS = ["large", None, "large", "small"]
DROPPED = "The model raised ValueError on these rows."  # scikit-learn's, for a frame without rows


def test_a_request_with_a_row_that_is_dropped_is_refused_and_says_which(functions: Functions) -> None:
    served = functions("dropping")
    bodies: list[tuple[str, Any]] = [
        ("/predict", ROWS),
        ("/invocations", {"dataframe_records": ROWS}),
        ("/v2/models/dropping/infer", {"inputs": tensors(ROWS)}),
    ]
    for path, body in bodies:
        answer = served.post(path, body)
        assert (answer.status_code, answer.json()["error_code"]) == (500, "MODEL_FAILED")
        assert answer.json()["message"] == "The model has no answer for 1 of 4 rows."
        assert answer.json()["details"] == [{"row": 1, "column": None, "reason": DROPPED}]
    good = [ROWS[0], *ROWS[2:]]
    assert [row["prediction"] for row in served.post("/predict", good).json()] == ["large", "large", "small"]


def tensors(rows: Sequence[Any]) -> list[dict[str, Any]]:
    shape = [len(rows)]
    return [
        {"name": name, "shape": shape, "datatype": "FP64", "data": [row[name] for row in rows]} for name in ("x", "y")
    ]


def test_an_event_publishes_what_is_answered_and_gives_the_reason_for_the_rest(functions: Functions) -> None:
    served = functions("dropping", "predict_event", DRY_RUN="true", EVENT_ID_FIELD="id")
    records = [{**row, "id": number} for number, row in enumerate(ROWS)]
    answer = served.post("/", push(records)).json()
    found = {one["prediction"]["id"]: one["prediction"]["prediction"] for one in answer["predictions"]}
    assert found == {0: "large", 2: "large", 3: "small"}
    assert answer["dead_letters"] == [{"error_code": "MODEL_FAILED", "error_message": DROPPED, "place": 1}]
    alone = served.post("/", push(records[1:2]))
    assert (alone.status_code, alone.json()["error_code"]) == (500, "MODEL_FAILED"), "no ack: it comes again"


def push(records: Any) -> dict[str, Any]:
    message = {"data": base64.b64encode(json.dumps(records).encode()).decode(), "messageId": "1"}
    return {"message": message, "subscription": "projects/p/subscriptions/s"}


def test_a_batch_has_a_row_for_each_row_and_its_own_answer(models: Library, tmp_path: Path) -> None:
    counts = Batches(models, tmp_path)("dropping", ROWS * 50)
    assert (counts["rows"], counts["scored"], counts["failed"]) == (200, 150, 50)
    rows = scored(tmp_path / "out.parquet")
    assert [row["prediction"] for row in rows] == LABELS * 50
    assert [row["error"] for row in rows] == [None, DROPPED, None, None] * 50


def test_two_models_are_compared_row_by_row(models: Library, tmp_path: Path) -> None:
    batches = Batches(models, tmp_path)
    batches("dropping", ROWS)  # publishes it
    command = CommandLine(str(tmp_path / "store-dropping"), {"MODEL_TRUST": "pickle"})
    report = command.json("compare", "dropping/1", "dropping@champion", "--data", tmp_path / "in.parquet")
    assert (report["rows"], report["compared"], report["refused"]["both"]) == (4, 3, 1)
    assert report["labels"]["prediction"]["flips"] == 0


@pytest.mark.parametrize("rows", [1, 7])
def test_a_text_model_that_was_fitted_on_a_column_never_answers_fewer_rows(functions: Functions, rows: int) -> None:
    answer = functions("text_series").post("/predict", [{"text": "free offer win"}] * rows)
    assert (answer.status_code, len(answer.json())) == (200, rows)
