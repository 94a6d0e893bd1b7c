"""The request body and the answer in each server's own protocol. Rows are MLflow records, answers are lists of labels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelserve.payloads.decode import JSON

Rows = Sequence[Mapping[str, Any]]
MODEL_NAME = "scorer"  # of every model, for servers that need a name
# Of numbers, as in the verification of compiled models; labels are compared exactly.
TOLERANCE = 1e-6


def dump_json(value: Any) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True)
class Protocol:
    """`body` builds the value of a request and `dump` its bytes; `read` extracts the labels from the JSON value of an answer.

    `read` is None for a constant answer.
    """

    path: str
    body: Callable[[Rows], Any]
    read: Callable[[Any], list[Any]] | None
    dump: Callable[[Any], bytes] = dump_json
    content_type: str = JSON
    headers: Callable[[bytes], Mapping[str, object]] = lambda body: {}

    def encode(self, rows: Rows) -> bytes:
        return self.dump(self.body(rows))

    def is_right(self, answer: bytes, expected: Sequence[Any]) -> bool:
        """Whether an answer contains the expected labels, or numbers within TOLERANCE."""
        try:
            return self.read is None or are_close(self.read(json.loads(answer)), expected)
        except (KeyError, IndexError, TypeError, ValueError):
            return False


def are_close(found: Sequence[Any], expected: Sequence[Any]) -> bool:
    return len(found) == len(expected) and all(map(is_close, found, expected))


def is_close(found: Any, expected: Any) -> bool:
    """Raises TypeError if only one of them is a number."""
    if isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(found == expected)


def records(rows: Rows) -> Any:
    return {"dataframe_records": rows}


def predictions(answer: Any) -> list[Any]:
    found: list[Any] = answer["predictions"]
    return found


def tensors(rows: Rows) -> Any:
    """Open Inference Protocol V2: one tensor for each column, with content types that MLServer converts to a DataFrame."""
    inputs = [tensor(name, [row[name] for row in rows]) for name in rows[0]]
    return {"parameters": {"content_type": "pd"}, "inputs": inputs}


def tensor(name: str, data: list[Any]) -> dict[str, Any]:
    if isinstance(data[0], str):
        return {
            "name": name,
            "shape": [len(data), 1],
            "datatype": "BYTES",
            "parameters": {"content_type": "str"},
            "data": data,
        }
    datatype = "INT64" if all(isinstance(value, int) for value in data) else "FP64"
    return {"name": name, "shape": [len(data), 1], "datatype": datatype, "data": data}


def first_tensor(answer: Any) -> list[Any]:
    found: list[Any] = answer["outputs"][0]["data"]
    return found


MLFLOW = Protocol("/invocations", records, predictions)
HELLO = Protocol("/invocations", records, None)
V2 = Protocol(f"/v2/models/{MODEL_NAME}/infer", tensors, first_tensor)
ROWS = Protocol("/invocations", lambda rows: {"rows": rows}, lambda answer: list(answer))
