"""Clients of other makers, as they are: `python clients.py CLIENT ADDRESSES ROWS`, the last two in JSON.

Run by the Python of their own environment, a process for each client: kserve and MLServer register the same messages of
Protocol Buffers. Writes a JSON object: what each call of the client gave, or the text of its error.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd

CLIENT = sys.argv[1]
URLS: dict[str, str] = json.loads(sys.argv[2])
ROWS: list[dict[str, Any]] = json.loads(sys.argv[3])
if CLIENT == "triton":
    import tritonclient.http as triton
elif CLIENT == "kserve":
    import kserve
elif CLIENT == "mlserver":
    from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec
    from mlserver.types import InferenceResponse, RequestOutput
else:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.aiplatform_v1.services.prediction_service import PredictionServiceClient
    from google.cloud.aiplatform_v1.services.prediction_service.transports.rest import PredictionServiceRestTransport
NUMBERS = np.eye(2, 10)
ENDPOINT = "projects/p/locations/l/endpoints/1"

CALLS: dict[str, Callable[[], Any]] = {}


def call(function: Callable[[], Any]) -> Callable[[], Any]:
    CALLS[function.__name__] = function
    return function


def address(model: str) -> str:
    return URLS[model].removeprefix("http://")


# --- tritonclient ---

DATATYPES = {"contract": ("BYTES", np.object_), "tenure": ("INT64", np.int64), "monthlycharges": ("FP64", np.float64)}


def server(model: str = "churn") -> Any:
    return triton.InferenceServerClient(address(model))


def columns(binary: bool = True) -> list[Any]:
    inputs = []
    for name, (datatype, dtype) in DATATYPES.items():
        tensor = triton.InferInput(name, [len(ROWS), 1], datatype)
        tensor.set_data_from_numpy(np.array([[row[name]] for row in ROWS], dtype=dtype), binary_data=binary)
        inputs.append(tensor)
    return inputs


def texts(array: Any) -> list[str]:
    return [text.decode() if isinstance(text, bytes) else text for text in array.ravel().tolist()]


def matrix(dtype: str, datatype: str) -> Any:
    tensor = triton.InferInput("input-0", list(NUMBERS.shape), datatype)
    tensor.set_data_from_numpy(NUMBERS.astype(dtype))
    return server("linear10").infer("linear10", [tensor]).as_numpy("predict").tolist()


@call
def triton_health() -> Any:
    return [server().is_server_live(), server().is_server_ready(), server().is_model_ready("churn", "1"), server().is_model_ready("other")]  # fmt: skip


@call
def triton_metadata() -> Any:
    return [server().get_server_metadata(), server().get_model_metadata("churn")]


@call
def triton_infer() -> Any:
    """With the defaults of the client, which are binary both ways."""
    result = server().infer("churn", columns())
    return [texts(result.as_numpy("predict")), result.get_response()["model_version"]]


@call
def triton_infer_json() -> Any:
    outputs = [triton.InferRequestedOutput("predict", binary_data=False)]
    return texts(server().infer("churn", columns(binary=False), outputs=outputs).as_numpy("predict"))


@call
def triton_outputs_of_both_kinds() -> Any:
    outputs = [triton.InferRequestedOutput(name, binary_data=name == "predict_proba") for name in ("predict", "predict_proba")]  # fmt: skip
    result = server().infer("churn", columns(), model_version="1", outputs=outputs)
    return [texts(result.as_numpy("predict")), result.as_numpy("predict_proba").tolist()]


@call
def triton_parameters() -> Any:
    result = server().infer(
        "churn", columns(), request_id="r", sequence_id=5, sequence_start=True, sequence_end=True, priority=1, timeout=9
    )
    return [result.get_response()["id"], texts(result.as_numpy("predict"))]


@call
def triton_async_infer() -> Any:
    return texts(server().async_infer("churn", columns()).get_result().as_numpy("predict"))


@call
def triton_matrix() -> Any:
    return [matrix("f8", "FP64"), matrix("f4", "FP32"), matrix("i4", "INT32"), matrix("f2", "FP16")]


@call
def triton_wrong_datatype() -> Any:
    return server().infer("churn", [triton.InferInput("tenure", [1], "INT64").set_data_from_numpy(np.array([1]))])


@call
def triton_unknown_model() -> Any:
    return server().infer("other", columns())


@call
def triton_compressed_request() -> Any:
    return texts(server().infer("churn", columns(), request_compression_algorithm="gzip").as_numpy("predict"))


@call
def triton_compressed_response() -> Any:
    return texts(server().infer("churn", columns(), response_compression_algorithm="gzip").as_numpy("predict"))


@call
def triton_classification() -> Any:
    return server().infer("churn", columns(), outputs=[triton.InferRequestedOutput("predict", class_count=2)])


@call
def triton_shared_memory() -> Any:
    tensor = triton.InferInput("tenure", [1], "INT64")
    tensor.set_shared_memory("region", 8)
    return server().infer("churn", [tensor])


@call
def triton_config() -> Any:
    return server().get_model_config("churn")


@call
def triton_repository() -> Any:
    return server().get_model_repository_index()


@call
def triton_bf16() -> Any:
    import ml_dtypes

    tensor = triton.InferInput("input-0", [2, 10], "BF16").set_data_from_numpy(NUMBERS.astype(ml_dtypes.bfloat16))
    return server("linear10").infer("linear10", [tensor])


# --- kserve ---


def kserve_run(protocol: str, method: str, *words: Any, **named: Any) -> Any:
    async def run() -> Any:
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol=protocol, retries=0))
        return await getattr(client, method)(*words, **named)

    return asyncio.run(run())


def kserve_request(binary: bool) -> Any:
    inputs = []
    for name, (datatype, dtype) in DATATYPES.items():
        tensor = kserve.InferInput(name, [len(ROWS), 1], datatype)
        tensor.set_data_from_numpy(np.array([[row[name]] for row in ROWS], dtype=dtype), binary_data=binary)
        inputs.append(tensor)
    return kserve.InferRequest("churn", inputs)


@call
def kserve_health() -> Any:
    return [
        kserve_run("v2", "is_server_live", URLS["churn"]),
        kserve_run("v2", "is_server_ready", URLS["churn"]),
        kserve_run("v2", "is_model_ready", URLS["churn"], "churn"),
        kserve_run("v1", "is_model_ready", URLS["churn"], "churn"),
    ]


@call
def kserve_infer() -> Any:
    return [texts(kserve_run("v2", "infer", URLS["churn"], kserve_request(binary), "churn").outputs[0].as_numpy()) for binary in (True, False)]  # fmt: skip


@call
def kserve_v1() -> Any:
    return kserve_run("v1", "infer", URLS["churn"], {"instances": ROWS}, "churn")


@call
def kserve_v1_unknown_model() -> Any:
    return kserve_run("v1", "infer", URLS["churn"], {"instances": ROWS}, "other")


@call
def kserve_explain() -> Any:
    return kserve_run("v1", "explain", URLS["churn"], "churn", {"instances": ROWS})


# --- MLServer's codecs ---


def mlserver_post(model: str, request: Any) -> Any:
    answer = httpx.post(f"{URLS[model]}/v2/models/{model}/infer", content=request.model_dump_json(exclude_none=True))
    answer.raise_for_status()
    return InferenceResponse.model_validate_json(answer.content)


@call
def mlserver_pandas() -> Any:
    request = PandasCodec.encode_request(pd.DataFrame(ROWS))
    request.outputs = [RequestOutput(name="predict"), RequestOutput(name="predict_proba")]
    response = mlserver_post("churn", request)
    return [StringCodec.decode_output(response.outputs[0]), NumpyCodec.decode_output(response.outputs[1]).tolist()]


@call
def mlserver_numpy() -> Any:
    response = mlserver_post("linear10", NumpyRequestCodec.encode_request(NUMBERS))
    return NumpyRequestCodec.decode_response(response).tolist()


# --- Vertex AI ---


def vertex(**named: Any) -> Any:
    nobody: Any = AnonymousCredentials
    transport = PredictionServiceRestTransport(host=address("vertex"), credentials=nobody(), url_scheme="http")
    return PredictionServiceClient(transport=transport).predict(endpoint=ENDPOINT, **named)


@call
def vertex_predict() -> Any:
    return list(vertex(instances=ROWS).predictions)


@call
def vertex_parameters() -> Any:
    found = vertex(instances=ROWS, parameters={"predict_method": "predict_proba"}).predictions
    return [list(row) for row in found]


@call
def vertex_error() -> Any:
    return vertex(instances=[{"tenure": "x"}])


def main() -> None:
    found = {}
    for name, function in CALLS.items():
        if not name.startswith(CLIENT):
            continue
        try:
            found[name] = {"gave": function()}
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"}
    json.dump(found, sys.stdout)


main()
