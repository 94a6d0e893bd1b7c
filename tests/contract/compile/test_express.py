"""The short way answers byte for byte what the general way answers, and leaves to it whatever it must refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from modelserve.http.bodies import JSON, decode_body
from modelserve.models.compiled.express import Express
from modelserve.models.compiled.runtime import CompiledRuntime, load
from modelserve.models.protocols import Answer
from modelserve.payloads import Limits
from modelserve.payloads.predictions import Presentation, encode, jsonable, results
from modelserve.schema.signature import Signature
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


def answer(express: Express, *bodies: bytes) -> Any:
    """The answer, or of several bodies that come at once their answers."""

    async def ask() -> list[Answer | None]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(express.answer(data, plain=True, loop=loop) for data in bodies))

    answers = asyncio.run(ask())
    return answers if len(bodies) > 1 else answers[0]


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
        found = answer(express, data)
        assert found is not None
        assert found.body == general(runtime, signature, shown, data)
    assert answer(express, json.dumps({**records[0], "tenure": "x"}).encode()) is None
    assert answer(express, json.dumps(rows(300)).encode()) is None


def test_a_model_that_stops_at_a_row_is_left_to_the_general_way() -> None:
    runtime, signature = served(encoded(LogisticRegression(), texts=OneHotEncoder()), targets(TABLE)["two"])
    express = Express(runtime, signature, Presentation(), LIMITS)
    known, unknown = rows(1)[0], {**rows(1)[0], next(n for n, v in rows(1)[0].items() if type(v) is str): "never seen"}
    assert answer(express, json.dumps(known).encode()) is not None
    assert answer(express, json.dumps(unknown).encode()) is None


def test_a_text_that_is_only_looked_up_is_no_input_of_the_packed_graph() -> None:
    runtime, _ = served(encoded(LogisticRegression()), targets(TABLE)["two"])
    assert [given.name for given in runtime.session.get_inputs()] == ["numbers", "codes"]


def test_requests_at_once_are_one_call_and_each_has_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, signature = served(encoded(LogisticRegression()), targets(TABLE)["two"])
    express = Express(runtime, signature, Presentation(), LIMITS)
    extra = json.dumps({"id": "x", **rows(1)[0]}).encode()
    bodies = [json.dumps(body).encode() for body in (rows(1)[0], rows(3), {"instances": rows(2)}, rows(9)[8:])] + [
        extra
    ]
    alone = [answer(express, body) for body in bodies]
    calls = []
    run = runtime.run

    def counted(methods: Any, feeds: Any) -> Any:
        calls.append(methods)
        return run(methods, feeds)

    monkeypatch.setattr(runtime, "run", counted)
    for company in (False, True):
        calls.clear()
        for one, among in zip(alone, answer(express, *bodies), strict=True):
            assert near(one, among)
        assert len(calls) == (2 if company else len(bodies))  # it looks round once it has been asked by several
    assert sorted(map(len, calls)) == [1, 2]  # the form, which has another method, and the others


def test_one_that_the_model_does_not_score_takes_none_of_the_others_with_it() -> None:
    runtime, signature = served(encoded(LogisticRegression(), texts=OneHotEncoder()), targets(TABLE)["two"])
    express = Express(runtime, signature, Presentation(), LIMITS)
    good, bad = json.dumps(rows(1)[0]).encode(), json.dumps({**rows(1)[0], "contract": "never seen"}).encode()
    alone = answer(express, good)
    for _ in range(2):  # each for itself, then in one turn of the loop
        among, none = answer(express, good, bad)
        assert near(alone, among)
        assert none is None


def test_an_answer_with_other_rows_is_left_to_the_general_way(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, signature = served(encoded(Ridge()), targets(TABLE)["value"])
    express = Express(runtime, signature, Presentation(), LIMITS)
    body = json.dumps(rows(2)).encode()
    assert answer(express, body) is not None
    run = runtime.run
    monkeypatch.setattr(runtime, "run", lambda methods, feeds: [output[1:] for output in run(methods, feeds)])
    assert answer(express, body) is None


def near(one: Answer, other: Answer) -> bool:
    """Equal but for the last bit of a sum, whose order depends on the number of rows."""
    return bool(np.allclose(numbers_in(json.loads(one.body)), numbers_in(json.loads(other.body)), rtol=1e-14, atol=0))


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [number for item in items for number in numbers_in(item)]
    return [float(value)] if isinstance(value, float) else []


def test_numbers_are_looked_up_outside_of_the_graph_too() -> None:
    table = pd.DataFrame({"a": [1, 2, 3] * 40, "b": [0.5, 1.5, 0.5] * 40})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    model.fit(table, ["yes", "no", "no"] * 40)
    signature = signature_of(table)
    compiled = compile(model, signature)
    runtime = load(compiled.served, {**compiled.metadata(), "classes": ["no", "yes"]})
    assert [given.name for given in runtime.session.get_inputs()] == ["codes"]
