"""Clients of other makers as they are, against real functions: what they send is taken, and what they read is right.

What is not as they expect stands in a table of docs/http.md, which has no other row.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.servers import environments
from contract.http.customers import RECORDS
from contract.peers.tables import differences
from contract.peers.test_tensors import HEADING, REQUESTS
from modelserve_control.common.processes import SOURCES
from serving import CLEAN, Functions

pytestmark = pytest.mark.timeout(600)  # a first installation takes a minute, and downloads 200 MB

HERE: Final = Path(__file__).parent
ENDPOINT: Final = "/v1/projects/p/locations/l/endpoints/1:predict"

# What a client does that is not here, its error, and the row of the table.
REFUSED: Final = {
    "triton_classification": ("The parameter classification is not supported", "`classification` of an output is 400"),
    "triton_shared_memory": ("The parameter shared_memory_region is not supported", "shared memory is 400"),
    "triton_config": ("There is nothing at this address", "no `/config`, `/stats`, `/repository` and `/trace`: 404"),
    "triton_repository": (
        "There is nothing at this address",
        "no `/config`, `/stats`, `/repository` and `/trace`: 404",
    ),
    "triton_bf16": ("The datatype of input 0 is not one of BOOL", "`BF16` is 400"),
    "kserve_explain": ("404 Not Found", "no `:explain` of V1: 404"),
}
# What a client shows of an error: the text of `error`, or the status.
ERRORS: Final = {
    "triton_wrong_datatype": "[400] 2 cells do not fit the model's signature.",
    "triton_unknown_model": "[404] This server has the model churn.",
    "kserve_v1_unknown_model": "This server has the model churn., '404 Not Found'",
    "vertex_error": "BadRequest: 400",
}


@pytest.fixture(scope="module")
def functions_and_answers(functions: Functions) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the functions give to the forms of their own, and what each call of a client gave."""
    churn = functions("churn", AIP_PREDICT_ROUTE=ENDPOINT)
    linear = functions("linear10")
    reference = {
        method: churn.post("/invocations", {"instances": RECORDS, "params": {"predict_method": method}}).json()[
            "predictions"
        ]
        for method in ("predict", "predict_proba")
    }
    rows = [[float(row == place) for place in range(10)] for row in range(2)]
    reference["linear10"] = linear.post("/invocations", {"instances": rows}).json()["predictions"]
    reference["metadata"] = churn.client.get("/v2/models/churn").json()
    urls = {"churn": churn.url, "linear10": linear.url, "vertex": churn.url}
    python = environments.make(SOURCES / ".cache" / "peers" / "venv", HERE / "requirements.txt")
    environ = {name: os.environ[name] for name in CLEAN if name in os.environ}
    found: dict[str, Any] = {}
    for client in ("triton", "kserve", "mlserver", "vertex"):
        words = [str(HERE / "clients.py"), client, json.dumps(urls), json.dumps(RECORDS)]
        command = [str(python), "-W", "ignore", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        found |= json.loads(done.stdout)
    return reference, found


@pytest.fixture(scope="module")
def reference(functions_and_answers: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    return functions_and_answers[0]


@pytest.fixture(scope="module")
def answers(functions_and_answers: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    return functions_and_answers[1]


def test_health_is_read(answers: dict[str, Any]) -> None:
    assert answers["triton_health"] == {"gave": [True, True, True, False]}
    assert answers["kserve_health"] == {"gave": [True, True, True, True]}


def test_metadata_names_the_extension_and_the_outputs_as_they_are(
    reference: dict[str, Any], answers: dict[str, Any]
) -> None:
    server, model = answers["triton_metadata"]["gave"]
    assert server["extensions"] == ["binary_tensor_data"]
    assert model == reference["metadata"]
    outputs = {output["name"]: (output["datatype"], output["shape"]) for output in model["outputs"]}
    assert (outputs["predict"], outputs["predict_proba"]) == (("BYTES", [-1]), ("FP64", [-1, 2]))


def test_triton_predicts(reference: dict[str, Any], answers: dict[str, Any]) -> None:
    labels, shares = reference["predict"], reference["predict_proba"]
    assert answers["triton_infer"] == {"gave": [labels, "1"]}
    for name in ("triton_infer_json", "triton_async_infer", "triton_compressed_request", "triton_compressed_response"):
        assert answers[name] == {"gave": labels}, name
    assert answers["triton_outputs_of_both_kinds"] == {"gave": [labels, shares]}
    assert answers["triton_parameters"] == {"gave": ["r", labels]}
    assert answers["triton_matrix"] == {"gave": [reference["linear10"]] * 4}


def test_kserve_predicts(reference: dict[str, Any], answers: dict[str, Any]) -> None:
    assert answers["kserve_infer"] == {"gave": [reference["predict"]] * 2}
    assert answers["kserve_v1"] == {"gave": {"predictions": reference["predict"]}}


def test_mlserver_codecs_predict(reference: dict[str, Any], answers: dict[str, Any]) -> None:
    assert answers["mlserver_pandas"] == {"gave": [reference["predict"], reference["predict_proba"]]}
    assert answers["mlserver_numpy"] == {"gave": reference["linear10"]}


def test_vertex_predicts(reference: dict[str, Any], answers: dict[str, Any]) -> None:
    assert answers["vertex_predict"] == {"gave": reference["predict"]}
    assert answers["vertex_parameters"] == {"gave": reference["predict_proba"]}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_shown_by_the_client(answers: dict[str, Any], name: str) -> None:
    assert ERRORS[name] in answers[name]["error"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_here_is_refused_and_stands_in_the_table(answers: dict[str, Any], name: str) -> None:
    reason, row = REFUSED[name]
    assert reason in answers[name]["error"]
    assert row in differences(HEADING)


def test_the_table_has_no_other_row() -> None:
    assert differences(HEADING) == {row for _, row in REFUSED.values()} | REQUESTS.keys()
