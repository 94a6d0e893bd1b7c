"""Requests and checks of their answers: every wire form with random rows, and input that must be refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa  # at the start: a client must not import while its connection idles
from pyarrow import parquet as files

from soaking.models import NAME, TOLERANCE, expected_predictions

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FEW, MANY = 20, 10_000  # rows


@dataclass(frozen=True)
class Sample:
    """One request. `values` extracts the predictions from the JSON value of an answer with status 200."""

    form: str
    path: str
    body: bytes
    xs: Sequence[float]
    values: Callable[[Any], Sequence[Any]] = lambda answer: ()
    content_type: str = JSON
    method: str = "POST"
    status: int = 200

    def is_right(self, version: str, answer: bytes) -> bool:
        """`version` is the one that the answer names."""
        if self.status != 200:
            return "error_code" in json.loads(answer)
        return are_equal(self.values(json.loads(answer)), expected_predictions(version, list(self.xs)))


def are_equal(found: Sequence[Any], wanted: Sequence[float]) -> bool:
    return len(found) == len(wanted) and all(
        type(one) is float and abs(one - other) <= TOLERANCE * max(1.0, abs(other))
        for one, other in zip(found, wanted, strict=True)
    )


def prediction(answer: Any) -> Sequence[Any]:
    return [answer["prediction"]]


def results(answer: Any) -> Sequence[Any]:
    return [result["prediction"] for result in answer]


def predictions(answer: Any) -> Sequence[Any]:
    return list(answer["predictions"])


def tensor(answer: Any) -> Sequence[Any]:
    return list(answer["outputs"][0]["data"])


def record(xs: list[float]) -> Sample:
    return Sample("record", "/predict", encode({"x": xs[0]}), xs[:1], prediction)


def query(xs: list[float]) -> Sample:
    return Sample("query", f"/predict?x={quote(repr(xs[0]))}", b"", xs[:1], prediction, method="GET")


def records(xs: list[float]) -> Sample:
    return Sample("records", "/", encode([{"x": x} for x in xs]), xs, results)


def instances(xs: list[float]) -> Sample:
    return Sample("instances", "/predict", encode({"instances": [{"x": x} for x in xs]}), xs, predictions)


def split_frame(xs: list[float]) -> Sample:
    return invocation("dataframe_split", {"columns": ["x"], "data": [[x] for x in xs]}, xs)


def frame(xs: list[float]) -> Sample:
    return invocation("dataframe_records", [{"x": x} for x in xs], xs)


def inputs(xs: list[float]) -> Sample:
    return invocation("inputs", {"x": xs}, xs)


def invocation(form: str, value: Any, xs: list[float]) -> Sample:
    return Sample(form, "/invocations", encode({form: value}), xs, predictions)


def csv(xs: list[float]) -> Sample:
    body = "x\n" + "".join(f"{x!r}\n" for x in xs)
    return Sample("csv", "/invocations", body.encode(), xs, predictions, CSV)


def parquet(xs: list[float]) -> Sample:
    sink = pa.BufferOutputStream()
    files.write_table(pa.table({"x": xs}), sink)
    return Sample("parquet", "/invocations", sink.getvalue().to_pybytes(), xs, predictions, PARQUET)


def v2(xs: list[float]) -> Sample:
    value = {"inputs": [{"name": "x", "shape": [len(xs)], "datatype": "FP64", "data": xs}]}
    return Sample("v2", f"/v2/models/{NAME}/infer", encode(value), xs, tensor)


def large(xs: list[float]) -> Sample:
    xs = xs * (MANY // len(xs))
    return Sample("large", "/invocations", encode({"instances": [[x] for x in xs]}), xs, predictions)


FORMS: Final = (record, record, record, query, records, instances, split_frame, frame, inputs, csv, parquet, v2)
BAD: Final = (
    Sample("bad json", "/predict", b'{"x": 1', (), status=400),
    Sample("bad cell", "/predict", b'{"x": "one"}', (), status=400),
    Sample("a missing column", "/invocations", b'{"instances": [{"y": 1.0}]}', (), status=400),
    Sample("deep", "/predict", b"[" * 10_000, (), status=400),
    Sample("an unknown type", "/predict", b"{}", (), content_type="text/html", status=415),
    Sample("a broken file", "/invocations", b"PAR1" + bytes(100) + b"PAR1", (), content_type=PARQUET, status=400),
    Sample("no address", "/%6detrics", b"", (), method="GET", status=404),
    Sample("no method", "/predict", b"", (), method="PUT", status=405),
)


def choose(random_: random.Random) -> Sample:
    """One in ten is bad, one in fifty is large."""
    dice = random_.random()
    if dice < 0.1:
        return random_.choice(BAD)
    xs = [round(random_.uniform(-1e6, 1e6), 3) for _ in range(random_.randint(1, FEW))]
    return large(xs) if dice < 0.12 else random_.choice(FORMS)(xs)


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()
