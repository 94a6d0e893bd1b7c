"""The short way answers byte for byte what the general way answers, and leaves to it whatever it must refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from modelserve.bodies import JSON, decode_body
from modelserve.express import Express
from modelserve.payloads import Limits
from modelserve.payloads.predictions import Presentation, encode, jsonable, results
from modelserve.runtimes.compiled import CompiledRuntime, load
from modelserve.signature import Signature
from modelserve_control.compile import compile
from proving import customers, encoded, fitted, signature_of, targets

LIMITS = Limits(rows=1_000, columns=100, depth=10)
TABLE = customers()


def general(runtime: CompiledRuntime, signature: Signature, shown: Presentation, data: bytes) -> bytes:
    payload = decode_body(data, JSON, signature, LIMITS, records=True)
    batch = signature.check(payload.table)
    methods: Sequence[str] = runtime.methods[:1]
    if payload.plain and runtime.classes and "predict_proba" in runtime.methods:
        methods = ("predict", "predict_proba")
    outputs = [jsonable(output) for output in runtime.score(batch, methods, {}).values()]
    if not payload.plain:
        return encode({"predictions": outputs[0]})
    rows = results(outputs[0], outputs[1] if len(outputs) > 1 else None, runtime.classes, shown)
    return encode(rows[0] if payload.single else rows)


def served(model: Any, target: Any) -> tuple[CompiledRuntime, Signature]:
    fitted(model, TABLE, target)
    signature = signature_of(TABLE)
    compiled = compile(model, signature)
    classes = getattr(model, "classes_", None)
    return load(
        compiled.served, {**compiled.metadata(), "classes": None if classes is None else classes.tolist()}
    ), signature


def rows(count: int) -> list[dict[str, Any]]:
    found = TABLE.head(count).astype(object)
    return [
        dict(zip(map(str, found), row, strict=True)) for row in found.where(pd.notna(found), None).to_numpy().tolist()
    ]


@pytest.mark.parametrize(
    ("model", "target", "shown"),
    [
        (LogisticRegression(), "two", Presentation("yes", 0.3, "churn")),
        (LogisticRegression(), "two", Presentation("yes")),
        (LogisticRegression(), "two", Presentation()),
        (RandomForestClassifier(5, random_state=1), "three", Presentation("mid", label="is mid")),
        (RandomForestClassifier(5, random_state=1), "numbers", Presentation()),
        (LinearSVC(), "two", Presentation()),
        (Ridge(), "value", Presentation(label="amount")),
        (Ridge(), "value", Presentation()),
    ],
)
def test_the_same_bytes_for_every_form_and_number_of_rows(model: Any, target: str, shown: Presentation) -> None:
    runtime, signature = served(encoded(model), targets(TABLE)[target])
    express = Express(runtime, signature, shown, LIMITS)
    records = rows(200)
    bodies = [records[0], records[:1], records, {"dataframe_records": records[:3]}, {"instances": records}]
    for body in bodies:
        data = json.dumps(body).encode()
        answer = express.answer(data, plain=True)
        assert answer is not None
        assert answer.body == general(runtime, signature, shown, data)
    assert express.answer(json.dumps({**records[0], "tenure": "x"}).encode(), plain=True) is None
    assert express.answer(json.dumps(rows(300)).encode(), plain=True) is None


def test_a_model_that_stops_at_a_row_is_left_to_the_general_way() -> None:
    from sklearn.preprocessing import OneHotEncoder

    runtime, signature = served(encoded(LogisticRegression(), texts=OneHotEncoder()), targets(TABLE)["two"])
    express = Express(runtime, signature, Presentation(), LIMITS)
    known, unknown = rows(1)[0], {**rows(1)[0], next(n for n, v in rows(1)[0].items() if type(v) is str): "never seen"}
    assert express.answer(json.dumps(known).encode(), plain=True) is not None
    assert express.answer(json.dumps(unknown).encode(), plain=True) is None


def test_a_text_that_is_only_looked_up_is_no_input_of_the_packed_graph() -> None:
    runtime, _ = served(encoded(LogisticRegression()), targets(TABLE)["two"])
    assert [given.name for given in runtime.session.get_inputs()] == ["numbers", "codes"]
