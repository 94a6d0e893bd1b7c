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


def test_v2_metadata_of_outputs_is_what_an_answer_has(functions: Functions) -> None:
    for model in ("churn", "integer_labels", "tensor", "two_outputs", "linear10"):
        served = functions(model)
        document = served.client.get(f"/v2/models/{model}").json()
        names = [output["name"] for output in document["outputs"]]
        inputs = [{"name": one["name"], "shape": [2, *one["shape"][1:]], "datatype": one["datatype"]} for one in document["inputs"]]  # fmt: skip
        for one in inputs:
            size = 2 * (one["shape"][1] if len(one["shape"]) > 1 else 1)
            one["data"] = (["one_year"] if one["datatype"] == "BYTES" else [1]) * size
        answer = served.post(f"/v2/models/{model}/infer", {"inputs": inputs, "outputs": [{"name": name} for name in names]})  # fmt: skip
        given = [(one["name"], one["datatype"], [-1, *one["shape"][1:]]) for one in answer.json()["outputs"]]
        assert given == [(one["name"], one["datatype"], one["shape"]) for one in document["outputs"]], model


def test_errors_below_v2_and_v1_have_the_field_of_their_clients(served: Served) -> None:
    for answer in (
        served.post("/v2/models/churn/infer", {"inputs": []}),
        served.client.get("/v2/nothing"),
        served.client.get("/v2/models/other"),
        served.client.get("/v1/models/other"),
        served.post("/v1/models/other:predict", {}),
    ):
        found = answer.json()
        assert found.keys() == {"error", "error_code", "message", "details", "request_id"}
        assert found["error"] == found["message"]
    assert "error" not in served.client.get("/nothing").json()


def test_v1_says_which_model_there_is(served: Served) -> None:
    for address in ("/v1/models", "/v2/models"):
        assert served.client.get(address).json() == {"models": ["churn"]}
    assert served.client.get("/v1/models/churn").json() == {"name": "churn", "ready": True}


def test_bytes_without_the_length_of_their_json_are_refused(served: Served) -> None:
    path = "/v2/models/churn/infer"
    answer = served.client.post(path, content=b"{}", headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 415
    assert "Inference-Header-Content-Length" in answer.json()["message"]
    for size in ("", "-1", "1e3", "9" * 30):
        assert served.client.post(path, content=b"{}", headers={"inference-header-content-length": size}).status_code == 400  # fmt: skip


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
        ("POST", "/v2", "GET"),
        ("GET", "/v1/models/churn:predict", "POST"),
        ("POST", "/v1/models/churn", "GET"),
        ("POST", "/metadata", "GET"),
    ],
)
def test_another_method_is_405_and_says_which(served: Served, method: str, path: str, allowed: str) -> None:
    answer = served.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["error_code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1",
        "/v1/models/churn:explain",
        "/v1/models/churn/ready",
        "/v2/models/other/ready",
        "/v2/models/churn/versions/9",
        "/healthz",
    ],
)
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
