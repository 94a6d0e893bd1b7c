"""The same rows through every form of the HTTP function give the answer that `mlflow.pyfunc` gives."""

from __future__ import annotations

import json
import warnings
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from contract.http.customers import COLUMNS, JSON_FORMS, RECORDS, ROWS, as_csv, as_parquet, as_v2
from serving import Functions, Served

if TYPE_CHECKING:
    from models.library import Library

PATHS = ["/invocations", "/predict", "/"]


@pytest.fixture(scope="module")
def served(functions: Functions) -> Served:
    return functions("churn")


@pytest.fixture(scope="module", autouse=True)
def exact(functions: Functions) -> None:
    """Native answers are MLflow's own to the last bit; compiled ones within what they were verified to."""
    TOLERANCE["abs"] = 0.0 if functions.runtime == "native" else 1e-12


TOLERANCE = {"abs": 0.0}


def alike(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(alike, found, wanted))
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(alike(found[key], wanted[key]) for key in wanted)
    return bool(found == wanted or (isinstance(wanted, float) and abs(found - wanted) <= TOLERANCE["abs"]))


@pytest.fixture(scope="module")
def wanted(models: Library) -> dict[str, Any]:
    """What MLflow's own scoring server would write, per method."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        import pandas as pd
        from mlflow.pyfunc.scoring_server import predictions_to_json

        model = mlflow.pyfunc.load_model(str(models.path("churn")))
        frame = pd.DataFrame(ROWS, columns=COLUMNS)
        outputs = {"predict": model.predict(frame), "predict_proba": model.get_raw_model().predict_proba(frame)}
    texts = {name: StringIO() for name in outputs}
    for name, output in outputs.items():
        predictions_to_json(output, texts[name])  # type: ignore[no-untyped-call]  # MLflow's is untyped
    return {name: json.loads(text.getvalue())["predictions"] for name, text in texts.items()}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("form", JSON_FORMS)
def test_every_json_form_gives_what_mlflow_gives(served: Served, wanted: Any, path: str, form: str) -> None:
    answer = served.post(path, JSON_FORMS[form])
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": wanted["predict"]}


@pytest.mark.parametrize("path", PATHS)
def test_csv_and_parquet_give_the_same(served: Served, wanted: Any, path: str) -> None:
    csv = served.client.post(path, content=as_csv(), headers={"content-type": "text/csv; charset=utf-8"})
    parquet = served.client.post(path, content=as_parquet(), headers={"content-type": "application/vnd.apache.parquet"})
    assert csv.json() == parquet.json() == {"predictions": wanted["predict"]}


@pytest.mark.parametrize("option", ["params", "parameters", "query"])
@pytest.mark.parametrize("form", JSON_FORMS)
def test_a_method_may_be_chosen_per_request(served: Served, wanted: Any, form: str, option: str) -> None:
    method = {"predict_method": "predict_proba"}
    body = JSON_FORMS[form] if option == "query" else JSON_FORMS[form] | {option: method}
    answer = served.post("/invocations", body, params=method if option == "query" else None)
    assert alike(answer.json()["predictions"], wanted["predict_proba"])


def test_a_method_in_the_address_is_that_of_a_plain_record_too(served: Served) -> None:
    """A compiled version has a shorter way for plain records, which knows no methods."""
    (expected,) = served.post("/predict?predict_method=predict", RECORDS[:1]).json()
    usual = served.post("/predict", RECORDS[0]).json()
    assert set(expected) == {"prediction"}
    assert expected["prediction"] == usual["prediction"]
    assert "probabilities" in usual


def test_v2_gives_the_same(served: Served, wanted: Any) -> None:
    for path in ("/v2/models/churn/infer", "/v2/models/churn/versions/1/infer"):
        answer = served.post(path, as_v2(["predict", "predict_proba"]) | {"id": "abc"})
        labels, probabilities = answer.json()["outputs"]
        assert (answer.json()["model_name"], answer.json()["id"]) == ("churn", "abc")
        assert labels == {"name": "predict", "shape": [3], "datatype": "BYTES", "data": wanted["predict"]}
        assert probabilities["shape"] == [3, 2]
        assert alike(probabilities["data"], [share for row in wanted["predict_proba"] for share in row])
    assert [output["name"] for output in served.post("/v2/models/churn/infer", as_v2()).json()["outputs"]] == [
        "predict"
    ]


def results(wanted: Any) -> list[dict[str, Any]]:
    return [
        {"prediction": label, "probabilities": dict(zip(["no", "yes"], shares, strict=True))}
        for label, shares in zip(wanted["predict"], wanted["predict_proba"], strict=True)
    ]


@pytest.mark.parametrize("path", ["/predict", "/"])
def test_a_list_of_records_gives_a_list_of_results(served: Served, wanted: Any, path: str) -> None:
    assert alike(served.post(path, RECORDS).json(), results(wanted))


@pytest.mark.parametrize("path", ["/predict", "/"])
def test_one_record_gives_one_result_posted_or_as_a_query(served: Served, wanted: Any, path: str) -> None:
    for record, result in zip(RECORDS, results(wanted), strict=True):
        posted, asked = served.post(path, record).json(), served.client.get(path, params=record).json()
        assert posted == asked
        assert posted["prediction"] == result["prediction"]
        # A row alone and the same row among others may differ in the last bit of a sum.
        assert posted["probabilities"] == pytest.approx(result["probabilities"], abs=1e-15)


def test_extra_columns_are_ignored(served: Served) -> None:
    record = RECORDS[0] | {"customerid": "8879-zkjof"}
    assert served.post("/predict", record).json() == served.post("/predict", RECORDS[0]).json()


def test_no_rows_give_no_predictions(served: Served) -> None:
    assert served.post("/invocations", {"dataframe_records": []}).json() == {"predictions": []}
    assert served.post("/predict", []).json() == []
