"""What browsers and other clients of the service ask for, over HTTP."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from browser import Tab
from http_server import answering
from modelserve_control.common.processes import SOURCES
from serving import JSON, Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW: dict[str, Any] = {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}
UNSEEN = {**ROW, "contract": "Month-to-month"}
COUNT = "x-unknown-categories"


@pytest.fixture(scope="module")
def strict(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same version, which refuses what it does not know, and shows no page."""
    uri = f"{served.child.log.parent}/store/models/churn@champion"
    settings = {"MODEL_URI": uri, "UNKNOWN_CATEGORIES": "reject", "DOCS": "false"}
    with serving(tmp_path_factory.mktemp("strict") / "log", settings) as function:
        yield function


def test_the_page_is_for_browsers_and_can_be_turned_off(served: Served, strict: Served) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path, headers in (("/docs", {}), ("/", browser)):
        assert "default-src 'none'" in served.client.get(path, headers=headers).headers["content-security-policy"]
        assert strict.client.get(path, headers=headers).json()["error_code"] in ("NOT_FOUND", "SIGNATURE_MISMATCH")
    assert served.client.get("/").json()["error_code"] == "SIGNATURE_MISMATCH"
    assert served.client.get("/", params=ROW, headers=browser).json() == served.post("/predict", ROW).json()
    assert "/docs" not in strict.client.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize(
    ("body", "count"),
    [(ROW, None), (UNSEEN, "1"), ([ROW] * 3, None), ([UNSEEN, ROW, {**ROW, "contract": "?"}], "2")],
    ids=["known", "unknown", "known rows", "unknown rows"],
)
def test_an_answer_counts_the_categories_that_the_model_has_never_seen(
    served: Served, body: Any, count: str | None
) -> None:
    assert served.post("/predict", body).headers.get(COUNT) == count
    rows = body if isinstance(body, list) else [body]
    assert served.post("/invocations", {"dataframe_records": rows}).headers.get(COUNT) == count
    text = "\n".join(["contract,tenure,monthlycharges", *(",".join(map(str, row.values())) for row in rows)])
    answer = served.client.post("/invocations", content=text, headers={"content-type": "text/csv"})
    assert answer.headers.get(COUNT) == count


def test_unknown_categories_are_counted_in_the_metrics(served: Served) -> None:
    def total() -> float:
        text = served.client.get("/metrics").text
        return float(text.partition("\nmodelserve_unknown_categories_total ")[2].partition("\n")[0])

    before = total()
    served.post("/predict", [UNSEEN, UNSEEN])
    assert total() == before + 2


def test_unknown_categories_may_be_bad_cells(strict: Served) -> None:
    assert strict.post("/predict", ROW).status_code == 200
    for path, body in (("/predict", [ROW, UNSEEN]), ("/invocations", {"dataframe_records": [ROW, UNSEEN]})):
        answer = strict.post(path, body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "SIGNATURE_MISMATCH")
        reason = "not a category that the model knows"
        assert answer.json()["details"] == [{"row": 1, "column": "contract", "reason": reason}]


def test_the_document_is_valid_and_describes_what_is_answered(served: Served) -> None:
    document = served.client.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    schemas = document["components"]["schemas"]
    assert sorted(schemas["Record"]["properties"]["contract"]["enum"]) == ["month-to-month", "one_year", "two_year"]
    assert schemas["Record"]["examples"][0] == ROW

    def fits(name: str, value: Any) -> bool:
        return bool(OAS31Validator({**schemas[name], "components": document["components"]}).is_valid(value))

    result, bad = served.post("/predict", ROW).json(), served.post("/predict", {"tenure": 1.5}).json()
    named = served.post("/predict?predict_method=predict_proba", ROW).json()
    answers = {"Result": result, "MethodResult": named, "Predictions": {"predictions": []}, "BadRequestError": bad}
    for name, value in answers.items():
        assert [one for one in answers if fits(one, value)] == [name]
    paths = [path for path, methods in document["paths"].items() if "get" in methods and path not in ("/", "/predict")]
    assert {path: served.client.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_typescript_of_the_document_has_the_fields_of_a_result(served: Served, tmp_path: Path) -> None:
    program = SOURCES / ".cache/node/node_modules/.bin/openapi-typescript"
    if not program.exists():
        pytest.skip("openapi-typescript is not installed: .ci/run does so where there is npm")
    (tmp_path / "openapi.json").write_bytes(served.client.get("/openapi.json").content)
    done = subprocess.run([program, "openapi.json"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)  # fmt: skip
    result = done.stdout.partition(" Result: {")[2].partition("};\n        MethodResult")[0]
    assert 'prediction: "no" | "yes";' in result
    assert "churn_probability: number | null;" in result
    assert "churn: boolean;" in result


def test_a_page_of_an_allowed_origin_reads_the_answer_and_another_does_not(served: Served, tab: Tab) -> None:
    with answering(lambda *_: (200, {"content-type": "text/html"}, b"<!doctype html><title>T</title>")) as other:
        settings = {"MODEL_URI": f"{served.child.log.parent}/store/models/churn@champion", "CORS_ORIGINS": other}
        ask = """async ([url, row]) => {
            const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(row) };
            const answer = await fetch(url + "/predict", options).catch(() => null);
            return answer && [await answer.json(), answer.headers.get("X-Unknown-Categories")];
        }"""
        with serving(served.child.log.parent / "cors.log", settings) as allowing:
            tab.page.goto(other)
            result, count = tab.page.evaluate(ask, [allowing.url, UNSEEN])
            assert result == served.post("/predict", UNSEEN).json()
            assert count == "1"
            assert tab.page.evaluate(ask, [served.url, ROW]) is None
    refused, tab.problems = tab.problems, []
    assert all("CORS policy" in one or "ERR_FAILED" in one for one in refused)
    assert refused


def test_bodies_and_large_answers_are_compressed(served: Served) -> None:
    packed = gzip.compress(json.dumps([ROW] * 1_000).encode())
    headers = {**JSON, "content-encoding": "gzip"}
    answer = served.client.post("/predict", content=packed, headers=headers)
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()) == 1_000
    plain = httpx.post(served.url + "/predict", json=[ROW] * 1_000, headers={"accept-encoding": "identity"}, trust_env=False)  # fmt: skip
    assert "content-encoding" not in plain.headers
    assert plain.json() == answer.json()
    bomb = gzip.compress(bytes(64 << 20))
    refused = served.client.post("/predict", content=bomb, headers=headers)
    assert (refused.status_code, refused.json()["error_code"]) == (413, "TOO_LARGE")


def test_an_idempotency_key_is_refused_in_words(served: Served) -> None:
    answer = served.client.post("/predict", json=ROW, headers={"idempotency-key": "k"})
    assert answer.status_code == 400
    assert "may be sent again" in answer.json()["message"]
