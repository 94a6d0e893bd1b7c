"""What the typed decoder reads is answered byte for byte as what the reporting decoder reads, in every form, alone and
beside other requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC
from starlette.requests import Request
from starlette.responses import Response

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.http.app import Http
from modelserve.models.compiled.runtime import CompiledRuntime, load
from modelserve.models.scorers.inline import InlineScorer
from modelserve.models.version import Loaded
from modelserve.payloads.decode import BodyDecoder
from modelserve.payloads.predictions import Presentation
from modelserve.schema.signature import Signature
from modelserve_control.compile import compile
from proving import customers, fit, signature_of, targets, with_encoder
from tiny import LIMITS, Holding

TABLE = customers()
CHURN = Presentation("yes", 0.3, "churn")
V2 = "/v2/models/tiny/infer"
DATATYPES = {"string": "BYTES", "long": "INT64", "double": "FP64", "boolean": "BOOL"}
Asked = tuple[str, bytes]


def version(model: Any, target: Any, shown: Presentation = CHURN) -> Loaded:
    """Compiled, as it is served."""
    fit(model, TABLE, target)
    signature = signature_of(TABLE)
    compiled = compile(model, signature)
    classes = getattr(model, "classes_", None)
    runtime = load(
        compiled.packed_model, {**compiled.metadata(), "classes": None if classes is None else classes.tolist()}
    )
    return loaded(runtime, signature, shown)


def loaded(runtime: CompiledRuntime, signature: Signature, shown: Presentation) -> Loaded:
    return Loaded(
        name="tiny",
        version="7",
        alias="champion",
        digest="0" * 64,
        signature=signature,
        presentation=shown,
        decoder=BodyDecoder(signature, LIMITS, runtime.packing.categories()),
        runtime=runtime,
        scorer=InlineScorer(runtime, 1_000, 10_000),
        environment={},
        run_id=None,
        times={},
    )


def reporting(made: Loaded) -> Loaded:
    """The same version, without the typed decoder."""
    assert isinstance(made.runtime, CompiledRuntime)
    assert made.signature is not None
    other = loaded(made.runtime, made.signature, made.presentation)
    other.decoder.typed = None
    return other


def post(made: Loaded, *asked: Asked, turns: int = 1) -> list[Response]:
    """The answers to requests that come in one turn of the loop. A scorer learns in the first turn that several come."""

    def request(path: str, content: bytes) -> Request:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"x-request-id", b"r1"), (b"content-type", b"application/json")],
            "scheme": "http", "server": ("localhost", 80),
        }  # fmt: skip
        return Request(scope, receive)

    async def ask() -> list[Response]:
        holding: Any = Holding(
            replace(made, scorer=InlineScorer(made.runtime, 1_000, 10_000))
        )  # one that has seen no loop
        function = Http(Settings.from_environ({}), holding, Metrics(enabled=False))
        for _ in range(turns):
            found = await asyncio.gather(*(function.respond(request(*one)) for one in asked))
        return list(found)

    return asyncio.run(ask())


def rows(count: int) -> list[dict[str, Any]]:
    found = TABLE.head(count).astype(object)
    return [
        dict(zip(map(str, found), row, strict=True)) for row in found.where(pd.notna(found), None).to_numpy().tolist()
    ]


def bodies(records: Sequence[dict[str, Any]], signature: Signature) -> list[Asked]:
    """These records in every form."""
    names = list(signature.names)
    cells = [[record[name] for name in names] for record in records]
    columns = {name: [record[name] for record in records] for name in names}
    tensors = [
        {"name": c.name, "shape": [len(records)], "datatype": DATATYPES[c.kind.name], "data": columns[c.name]}
        for c in signature.columns
    ]
    forms: list[tuple[str, Any]] = [
        ("/predict", list(records)),
        ("/predict", {"dataframe_records": records}),
        ("/invocations", {"dataframe_split": {"columns": names[::-1], "data": [row[::-1] for row in cells]}}),
        ("/invocations", {"instances": records}),
        ("/invocations", {"instances": cells, "parameters": {"predict_method": "predict"}}),
        ("/invocations", {"inputs": columns}),
        ("/invocations", {"inputs": cells, "params": None}),
        (V2, {"inputs": tensors, "id": "r"}),
        *([("/predict", records[0])] if len(records) == 1 else []),
    ]
    return [(path, json.dumps(form).encode()) for path, form in forms]


@pytest.mark.parametrize(
    ("model", "target", "shown"),
    [
        (LogisticRegression(), "two", CHURN),
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
    made = version(with_encoder(model), targets(TABLE)[target], shown)
    other = reporting(made)
    taken: list[bool] = []
    decode = made.decoder.decode_typed

    def watch(*arguments: Any) -> Any:
        checked = decode(*arguments)
        taken.append(checked is not None)
        return checked

    object.__setattr__(made.decoder, "decode_typed", watch)
    assert made.signature is not None
    for count in (1, 3, 200, 300):
        for asked in bodies(rows(count), made.signature):
            (found,), (expected,) = post(made, asked), post(other, asked)
            assert (found.status_code, found.body) == (200, expected.body)
    assert all(taken)
    assert len(taken) == 4 * 8 + 1


@pytest.mark.parametrize("change", [{"tenure": "x"}, {"tenure": 2**53 + 1}, {"total": 2**53 + 1}, {"paperless": None}])
def test_what_is_refused_is_refused_with_the_same_bytes(change: dict[str, Any]) -> None:
    made = version(with_encoder(Ridge()), targets(TABLE)["value"])
    for asked in (
        json.dumps({**rows(1)[0], **change}).encode(),
        json.dumps([*rows(2), {**rows(1)[0], **change}]).encode(),
    ):
        (found,), (expected,) = post(made, ("/predict", asked)), post(reporting(made), ("/predict", asked))
        assert (found.status_code, found.body) == (400, expected.body)


def test_texts_that_are_not_known_are_read_again_and_answered_alike() -> None:
    made = version(with_encoder(LogisticRegression()), targets(TABLE)["two"])
    for name in ("contract", "payment"):
        asked = ("/predict", json.dumps([*rows(2), {**rows(1)[0], name: "never seen"}]).encode())
        (found,), (expected,) = post(made, asked), post(reporting(made), asked)
        assert (found.status_code, found.body) == (200, expected.body)


def test_a_model_that_stops_at_a_row_fails_alike() -> None:
    made = version(with_encoder(LogisticRegression(), texts=OneHotEncoder()), targets(TABLE)["two"])
    asked = ("/predict", json.dumps({**rows(1)[0], "contract": "never seen"}).encode())
    (found,), (expected,) = post(made, asked), post(reporting(made), asked)
    assert (found.status_code, found.body) == (500, expected.body)


def test_a_text_that_is_only_looked_up_is_no_input_of_the_packed_graph() -> None:
    made = version(with_encoder(LogisticRegression()), targets(TABLE)["two"])
    assert [given.name for given in made.runtime.session.get_inputs()] == ["numbers", "codes"]  # type: ignore[attr-defined]  # compiled


def test_requests_at_once_are_one_call_and_each_has_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    made = version(with_encoder(LogisticRegression()), targets(TABLE)["two"])
    contents = [rows(1)[0], rows(3), {"instances": rows(2)}, rows(9)[8:], {"id": "x", **rows(1)[0]}]
    asked = [("/predict", json.dumps(content).encode()) for content in contents]
    alone = [post(made, one)[0] for one in asked]
    calls: list[Any] = []
    run = made.runtime.run  # type: ignore[attr-defined]  # compiled

    def count(methods: Any, feeds: Any) -> Any:
        calls.append(tuple(methods))
        return run(methods, feeds)

    monkeypatch.setattr(made.runtime, "run", count)
    for turns in (1, 2):
        calls.clear()
        for one, among in zip(alone, post(made, *asked, turns=turns), strict=True):
            assert near(one, among)
        together = calls[len(asked) :]
        assert len(calls[: len(asked)]) == len(asked)
        assert sorted(map(len, together)) == (
            [] if turns == 1 else [1, 2]
        )  # the form has another method than the others


def test_bodies_of_100_rows_at_once_are_fewer_calls_and_each_has_its_own_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = version(with_encoder(LogisticRegression()), targets(TABLE)["two"])
    assert made.signature is not None
    asked = [one for start in (0, 100) for one in bodies(rows(200)[start : start + 100], made.signature)]
    alone = [post(made, one)[0] for one in asked]
    sizes: list[int] = []
    score = made.runtime.score

    def count(batch: Any, methods: Any, params: Any) -> Any:
        sizes.append(batch.rows)
        return score(batch, methods, params)

    monkeypatch.setattr(made.runtime, "score", count)
    for one, among in zip(alone, post(made, *asked, turns=2), strict=True):
        assert near(one, among)
    together = sizes[len(asked) :]
    assert sum(together) == 100 * len(asked)
    assert 100 < max(together) <= 1_000
    assert len(together) < len(asked)


def test_one_that_the_model_does_not_score_takes_none_of_the_others_with_it() -> None:
    made = version(with_encoder(LogisticRegression(), texts=OneHotEncoder()), targets(TABLE)["two"])
    good = ("/predict", json.dumps(rows(1)[0]).encode())
    bad = ("/predict", json.dumps({**rows(1)[0], "contract": "never seen"}).encode())
    (alone,) = post(made, good)
    for turns in (1, 2):  # each for itself, then in one turn of the loop
        first, failed, last = post(made, good, bad, good, turns=turns)
        assert near(alone, first)
        assert near(alone, last)
        assert failed.status_code == 500


def near(one: Response, other: Response) -> bool:
    """Equal but for the last bit of a sum, whose order depends on the number of rows."""
    assert one.status_code == other.status_code == 200
    found, expected = numbers_in(json.loads(bytes(one.body))), numbers_in(json.loads(bytes(other.body)))
    return len(found) == len(expected) and bool(np.allclose(found, expected, rtol=1e-14, atol=0))


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
    runtime = load(compiled.packed_model, {**compiled.metadata(), "classes": ["no", "yes"]})
    assert [given.name for given in runtime.session.get_inputs()] == ["codes"]
    made = loaded(runtime, signature, CHURN)
    asked = ("/predict", json.dumps([{"a": a, "b": b} for a in (1, 3, 7) for b in (0.5, 2, -0.0)]).encode())
    (found,), (expected,) = post(made, asked), post(reporting(made), asked)
    assert (found.status_code, found.body) == (200, expected.body)
