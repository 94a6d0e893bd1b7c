"""Every address of the HTTP function, before and after a model is active."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contract.http.customers import RECORDS
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from serving import Functions, Served, release, serving

WANTED_METADATA = {"name": "churn", "version": "1", "alias": "champion", "classes": ["no", "yes"]}


@pytest.fixture(scope="module")
def served(functions: Functions) -> Served:
    return functions("churn")


@pytest.fixture(scope="module")
def waiting(functions: Functions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A function whose alias does not exist yet."""
    room = tmp_path_factory.mktemp("waiting")
    settings = {
        "MODEL_URI": f"{room}/store/models/churn@champion",
        "MODEL_REFRESH_SECONDS": "0.1",
        "MODEL_TRUST": "pickle",
    }
    (room / "store").mkdir()
    with serving(room / "log", settings | {"LOAD_WAIT_SECONDS": "0.2"}, ready="/health/live") as function:
        yield function


@pytest.mark.parametrize("path", ["/ping", "/health", "/health/ready", "/health/live", "/v2/health/live"])
def test_health_is_200_when_a_model_is_active(served: Served, path: str) -> None:
    assert served.client.get(path).status_code == 200
    assert served.client.head(path).status_code == 200


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v2/models/churn/ready", "/v2/models/churn/versions/1/ready"])
def test_v2_readiness_names_it(served: Served, path: str) -> None:
    assert served.client.get(path).json()["ready"] is True


def test_version_is_that_of_mlflow(served: Served) -> None:
    from importlib.metadata import version

    answer = served.client.get("/version")
    assert answer.text == version("mlflow")
    assert answer.headers["content-type"].startswith("text/plain")


def test_metadata_says_what_answers(served: Served, functions: Functions) -> None:
    metadata = served.client.get("/metadata").json()
    assert metadata | WANTED_METADATA | {"runtime": functions.runtime} == metadata
    store = next(functions.directory.glob("store-*/models/churn")).parents[1]
    stored = open_objects(parse_store(str(store))).read("models/churn/versions/1/manifest.json", 1 << 20)
    assert isinstance(stored, tuple)
    import hashlib

    assert metadata["digest"] == hashlib.sha256(stored[0]).hexdigest()
    assert [column["name"] for column in metadata["signature"]["inputs"]] == ["contract", "tenure", "monthlycharges"]
    assert set(metadata["load_seconds"]) >= {"fetch", "import", "load", "warm"}


def test_v2_metadata_lists_the_columns(served: Served) -> None:
    document = served.client.get("/v2/models/churn").json()
    assert document["versions"] == ["1"]
    assert {column["name"]: column["datatype"] for column in document["inputs"]} == {
        "contract": "BYTES",
        "tenure": "INT64",
        "monthlycharges": "FP64",
    }


def test_openapi_is_valid_and_made_from_the_signature(served: Served) -> None:
    document = served.client.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    record = document["components"]["schemas"]["Record"]
    assert record["required"] == ["contract", "tenure", "monthlycharges"]
    assert record["properties"]["tenure"]["type"] == "integer"


def test_metrics_are_off_unless_asked_for(served: Served, functions: Functions) -> None:
    assert served.client.get("/metrics").status_code == 404
    measured = functions("churn", METRICS="true")
    measured.post("/predict", RECORDS[0] | {"customerid": "x"})
    text = measured.client.get("/metrics").text
    assert "modelserve_rows_total 1.0" in text
    assert "modelserve_extra_columns_total 1.0" in text
    assert 'modelserve_requests_total{route="/predict",status="200"} 1.0' in text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/predict", "GET, POST"),
        ("DELETE", "/", "GET, POST"),
        ("GET", "/invocations", "POST"),
        ("POST", "/health", "GET"),
        ("GET", "/v2/models/churn/infer", "POST"),
        ("POST", "/metadata", "GET"),
    ],
)
def test_another_method_is_405_and_says_which(served: Served, method: str, path: str, allowed: str) -> None:
    answer = served.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["error_code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["/nothing", "/v2/models/other/ready", "/v2/models/churn/versions/9", "/healthz"])
def test_an_unknown_address_is_404(served: Served, path: str) -> None:
    assert served.client.get(path).json()["error_code"] == "NOT_FOUND"


def test_vertex_addresses_are_honoured(functions: Functions) -> None:
    served = functions("churn", AIP_HEALTH_ROUTE="/vertex/health", AIP_PREDICT_ROUTE="/vertex/predict")
    assert served.client.get("/vertex/health").status_code == 200
    answer = served.post("/vertex/predict", {"instances": RECORDS, "parameters": {"predict_method": "predict"}})
    assert len(answer.json()["predictions"]) == 3


def test_before_a_model_is_active_only_the_process_is_healthy(waiting: Served, functions: Functions) -> None:
    assert waiting.client.get("/health/live").status_code == 200
    for path in ("/health", "/ping", "/v2/health/ready", "/metadata", "/predict"):
        answer = waiting.client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), path
        assert answer.json()["error_code"] == "MODEL_NOT_READY"
        assert answer.headers["x-model-version"] == "none"


def test_the_first_promotion_is_noticed(waiting: Served, functions: Functions) -> None:
    store = Path(waiting.child.log).parent / "store"
    release(store, "churn", functions.models.path("churn"), runtime=functions.runtime)
    waiting.child.wait_until(lambda: waiting.client.get("/health").status_code == 200)
    assert waiting.post("/predict", RECORDS[0]).headers["x-model-version"] == "1"
