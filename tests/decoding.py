"""Bodies of every kind for the decoder, and a decoder that is stopped in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import uvloop

from modelserve.core.errors import ServeError
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.http.decoder.client import Decoder
from modelserve.payloads import Limits
from modelserve.payloads.decode import CSV, JSON, PARQUET, BodyDecoder, CheckedBody, Protocol, binary_type
from modelserve.schema.batch import Table
from modelserve.schema.signature import Signature
from signatures import nameless, signature, signature_of, tensor
from tiny import WAIT_SECONDS

LIMITS = Limits(rows=20_000, columns=200, depth=16)


SETTINGS = Settings.from_environ({"PREDICT_TIMEOUT_SECONDS": "60"})


FILLED = signature(a="long", c="string", d="boolean", g="float")


KNOWN = signature(a="long", b="double?", c="string", d="boolean?", e="datetime?", f="binary?", g="float?", h="integer?")


NESTED = signature_of(
    [
        {"name": "a", "type": "array", "items": {"type": "long"}},
        {"name": "b", "type": "object", "properties": {"a": {"type": "datetime"}}, "required": False},
        {"name": "c", "type": "any", "required": False},
    ]
)


TENSORS = signature_of([tensor("float32", -1, 2, name="a"), tensor("str", -1, 2, name="b")])


ROW = {"a": 1, "b": None, "c": "é\n", "d": True, "e": "2024-01-02T03:04:05Z", "f": "AAE=", "g": 0.5, "h": 7}


NAN = float("nan")


def parquet(columns: dict[str, Any]) -> bytes:
    file = BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


INSTANT = datetime(2024, 1, 2, 3, 4, 5, 6)


ODD = parquet(
    {
        "decimal": [Decimal("1.10"), None],
        "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
        "instants": pa.array([[INSTANT], None], pa.list_(pa.timestamp("us"))),
        "days": pa.array([{"d": date(2024, 1, 2)}, None]),
        "time": [time(1, 2, 3), None],
        "span": [timedelta(days=-1, seconds=2), None],
        "bytes": [b"\x00\xff", None],
    }
)


BINARY_HEAD = dump(
    {
        "inputs": [{"name": "a", "shape": [2], "datatype": "INT64", "parameters": {"binary_data_size": 16}}],
        "parameters": {"binary_data_output": True},
    }
)


BODIES: dict[str, tuple[bytes, str, Protocol, Signature | None]] = {
    "records": (dump([ROW, {**ROW, "x": 0}]), JSON, Protocol.PREDICT, KNOWN),
    "one record": (dump(ROW), JSON, Protocol.PREDICT, KNOWN),
    "form": (
        dump({"inputs": [ROW], "params": {"predict_method": "p", "n": [10**30]}}),
        JSON,
        Protocol.INVOCATIONS,
        KNOWN,
    ),
    "no signature": (
        dump([{"a": 1, "b": [1, {"k": [10**30, -(10**30)]}]}, {"a": "x"}]),
        JSON,
        Protocol.PREDICT,
        None,
    ),
    "no rows": (dump({"dataframe_split": {"columns": ["a", "c"], "data": []}}), JSON, Protocol.INVOCATIONS, KNOWN),
    "nested": (dump([{"a": [1, 2], "b": {"a": "2024-01-01"}, "c": [1, 2**63]}]), JSON, Protocol.PREDICT, NESTED),
    "tensors": (
        dump({"inputs": {"a": [[1, 2], [3, 4]], "b": [["x", "y"], ["z", ""]]}}),
        JSON,
        Protocol.INVOCATIONS,
        TENSORS,
    ),
    "v2": (
        dump(
            {
                "id": "i",
                "inputs": [{"name": "a", "shape": [2], "datatype": "INT64", "data": [1, 2]}],
                "outputs": [{"name": "o"}],
            }
        ),
        JSON,
        Protocol.V2,
        signature(a="long"),
    ),
    "nameless": (
        dump({"dataframe_records": [{"p": 1, "q": "x"}]}),
        JSON,
        Protocol.INVOCATIONS,
        nameless("long", "string"),
    ),
    "v2, binary": (BINARY_HEAD + bytes(16), binary_type(len(BINARY_HEAD)), Protocol.V2, signature(a="long")),
    "csv": (b"a,b,c\n1,,x\n2,0.5,y\n", CSV, Protocol.PREDICT, KNOWN),
    "parquet": (
        parquet({"a": [1, 2], "c": ["x", "y"], "b": [0.5, NAN], "d": [True, None]}),
        PARQUET,
        Protocol.PREDICT,
        KNOWN,
    ),
    "parquet, odd": (ODD, PARQUET, Protocol.PREDICT, None),
    "parquet, many": (
        parquet(
            {"a": list(range(5_000)), "c": [f"t{n % 9}" for n in range(5_000)], "g": [n / 4 for n in range(5_000)]}
        ),
        PARQUET,
        Protocol.PREDICT,
        KNOWN,
    ),
    "csv, all columns": (b"a,c,d,g\n1,x,true,0.5\n2,y,false,1\n", CSV, Protocol.PREDICT, FILLED),
    "parquet, all columns": (
        parquet({"a": [1, 2] * 50, "c": ["x", "é"] * 50, "d": [True, False] * 50, "g": [0.5] * 100}),
        PARQUET,
        Protocol.PREDICT,
        FILLED,
    ),
    "parquet, many texts": (
        parquet({"a": list(range(100)), "c": [str(n) for n in range(100)], "d": [True] * 100, "g": [2.0**-140] * 100}),
        PARQUET,
        Protocol.PREDICT,
        FILLED,
    ),
    "parquet, other widths": (
        parquet(
            {"a": pa.array([1], pa.int8()), "c": ["x"], "b": [3], "g": [2.0**-140], "h": pa.array([9], pa.uint64())}
        ),
        PARQUET,
        Protocol.PREDICT,
        KNOWN,
    ),
    "broken": (b'[{"a": 1', JSON, Protocol.PREDICT, KNOWN),
    "bad cells": (dump([{**ROW, "a": 1.5}, {**ROW, "C": 1}]), JSON, Protocol.PREDICT, KNOWN),
    "too many rows": (dump([{}] * 20_001), JSON, Protocol.PREDICT, KNOWN),
    "bad params": (dump({"inputs": [ROW], "params": 1}), JSON, Protocol.INVOCATIONS, KNOWN),
    "csv of tensors": (b"a\n1\n", CSV, Protocol.PREDICT, TENSORS),
    "parquet, no file": (b"PAR1" * 3, PARQUET, Protocol.PREDICT, KNOWN),
    "parquet, too large a number": (parquet({"a": [1], "c": ["x"], "h": [2**40]}), PARQUET, Protocol.PREDICT, KNOWN),
    "parquet, infinite": (parquet({"a": [1], "c": ["x"], "b": [float("inf")]}), PARQUET, Protocol.PREDICT, KNOWN),
    "parquet, texts for numbers": (parquet({"a": ["1"], "c": ["x"]}), PARQUET, Protocol.PREDICT, KNOWN),
    "parquet, a fraction": (parquet({"a": [1.5], "c": ["x"]}), PARQUET, Protocol.PREDICT, KNOWN),
}

CASES = {
    name: (data, kind, protocol, BodyDecoder(known, LIMITS)) for name, (data, kind, protocol, known) in BODIES.items()
}


def shown(checked: CheckedBody) -> Any:
    """Everything of it, in a form that tells 1 from 1.0 and NaT from NaT not."""
    columns = {
        name: (array.dtype, array.shape, array.tobytes() if array.dtype != object else repr(array.tolist()))
        for name, array in checked.batch.columns.items()
    }
    table = checked.payload.table
    payload = msgspec.structs.replace(checked.payload, table=Table({}, table.rows, table.others))
    return list(columns), columns, checked.batch.rows, checked.batch.names, repr(payload.params), payload


def outcome(error: ServeError) -> Any:
    return type(error), error.message, error.details


def with_decoder(
    work: Callable[[Decoder], Awaitable[None]], settings: Settings = SETTINGS, seconds: float = WAIT_SECONDS
) -> None:
    async def run() -> None:
        made = Decoder(settings, LIMITS, Metrics(enabled=False))
        try:
            async with asyncio.timeout(seconds):
                await work(made)
        finally:
            made.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the loop of the servers
        runner.run(run())
