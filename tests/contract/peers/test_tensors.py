"""What this server does otherwise than the servers of KServe, Triton and MLServer: a request for each row of the table."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

from contract.http.customers import RECORDS, as_v2
from contract.peers.tables import differences
from serving import Functions

HEADING: Final = "Differences from KServe and the Open Inference Protocol"
JSON: Final = "application/json"
EVENT: Final = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"instances": RECORDS}}
BINARY_EVENT: Final = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}

Answer = tuple[int, Any]


class Client:
    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def send(self, model: str, path: str, body: Any, **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        client = self._functions(model).client
        answer = client.post(path.format(model), content=content, headers={"content-type": JSON, **headers})
        return answer.status_code, answer.json()

    def infer(self, model: str, body: Any) -> Answer:
        return self.send(model, "/v2/models/{}/infer", body)

    def infer_bytes(self, model: str, columns: dict[str, tuple[str, bytes]]) -> Answer:
        """One row, a tensor for each column."""
        inputs = [
            {"name": name, "shape": [1], "datatype": datatype, "parameters": {"binary_data_size": len(data)}}
            for name, (datatype, data) in columns.items()
        ]
        head = json.dumps({"inputs": inputs}).encode()
        body = head + b"".join(data for _, data in columns.values())
        sizes = {"Inference-Header-Content-Length": str(len(head))}
        return self.send(model, "/v2/models/{}/infer", body, **sizes)


def outputs(answer: Answer) -> dict[str, str]:
    """The datatype of each."""
    status, body = answer
    assert status == 200, body
    return {output["name"]: output["datatype"] for output in body["outputs"]}


def refusal(answer: Answer, status: int = 400) -> str:
    assert answer[0] == status, answer
    return str(answer[1]["message"]) + json.dumps(answer[1]["details"])


def tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def number(value: float) -> dict[str, tuple[str, bytes]]:
    return {"x": ("FP64", np.array([value], "<f8").tobytes())}


def text(data: bytes) -> tuple[str, bytes]:
    return "BYTES", struct.pack("<I", len(data)) + data


def every_type(**columns: tuple[str, bytes]) -> dict[str, tuple[str, bytes]]:
    given = {
        "flag": ("BOOL", b"\1"),
        "small": ("INT32", bytes(4)),
        "large": ("INT64", bytes(8)),
        "single": ("FP32", bytes(4)),
    }
    texts = {"text": text(b"a"), "when": text(b"2021-01-01"), "bytes": text(b"\xff")}
    return {**given, "real": ("FP64", bytes(8)), **texts, **columns}  # fmt: skip


def methods(client: Client) -> None:
    assert list(outputs(client.infer("churn", as_v2()))) == ["predict"]
    asked = client.infer("churn", as_v2(["predict_proba", "predict"]))
    assert list(outputs(asked)) == ["predict_proba", "predict"]


def datatypes(client: Client) -> None:
    single = {"inputs": [tensor("input", "FP32", [1, 10], [0.5] * 10)]}
    assert outputs(client.infer("linear10", single)) == {"predict": "FP64"}
    assert outputs(client.infer("tensor", {"inputs": [tensor("input", "FP32", [1, 2], [1.0, 0.25])]})) == {
        "predict": "INT64"
    }


def not_finite(client: Client) -> None:
    assert "null" in refusal(client.infer_bytes("framed", number(np.nan)))
    assert "Infinity" in refusal(client.infer_bytes("framed", number(np.inf)))


def no_text(client: Client) -> None:
    assert outputs(client.infer_bytes("every_type", every_type())) == {"predict": "BYTES"}
    assert "UTF-8" in refusal(client.infer_bytes("every_type", every_type(text=text(b"\xff"))))


def parameters(client: Client) -> None:
    body = {"inputs": [tensor("x", "FP64", [1], [1.0])]}
    assert "1 params are not" in refusal(client.infer("framed", {**body, "parameters": {"colour": "red"}}))


def sequences(client: Client) -> None:
    body = {"inputs": [tensor("x", "FP64", [1], [1.0])]}
    ignored = {"sequence_id": 5, "sequence_start": True, "sequence_end": False, "priority": 1, "timeout": 1}
    plain = client.infer("framed", body)
    assert plain[0] == 200
    assert client.infer("framed", {**body, "parameters": ignored}) == plain


def error(client: Client) -> None:
    status, body = client.infer("framed", {"inputs": []})
    assert (status, body.keys()) == (400, {"error", "error_code", "message", "details", "request_id"})
    assert body["error"] == body["message"]


def events(client: Client) -> None:
    structured = {"content-type": "application/cloudevents+json"}
    assert "application/json" in refusal(client.send("churn", "/v1/models/{}:predict", EVENT, **structured), 415)
    answer = client.send("churn", "/v1/models/{}:predict", EVENT["data"], **BINARY_EVENT)
    assert (answer[0], answer[1].keys()) == (200, {"predictions"})


def v1_parameters(client: Client) -> None:
    body = {"instances": RECORDS, "signature_name": "serving_default"}
    assert "only params or parameters may stand" in refusal(client.send("churn", "/v1/models/{}:predict", body))


REQUESTS: Final[dict[str, Callable[[Client], None]]] = {
    "outputs are the predict methods that are asked for; without `outputs` the model's own": methods,
    "numbers are answered as `FP64` and `INT64`": datatypes,
    "NaN is a null, and Infinity is 400": not_finite,
    "bytes of a `BYTES` tensor that are no UTF-8 are 400, but for `binary` columns": no_text,
    "parameters that are neither the protocol's nor the model's are 400": parameters,
    "`sequence_id`, `sequence_start`, `sequence_end`, `priority` and `timeout` are ignored": sequences,
    "an error has `error_code`, `message`, `details` and `request_id` beside `error`": error,
    "a structured CloudEvent is 415 at `:predict` of V1, and the answer to one in binary mode is no event": events,
    "a key of V1 beside `instances` or `inputs` and `parameters` is 400": v1_parameters,
}


@pytest.mark.parametrize("row", REQUESTS)
def test_a_row_of_the_table_is_what_this_server_does(functions: Functions, row: str) -> None:
    REQUESTS[row](Client(functions))
    assert row in differences(HEADING)
