"""Whatever arrives, the answer is a 4xx of ours that repeats nothing of it.

Examples are drawn anew in each local run; where CI is set they are the same each time (hypothesis prints the seed of a
failure: `--hypothesis-seed=N` repeats it).
"""

from __future__ import annotations

import json
import os
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelserve.core.errors import ServeError, body
from modelserve.events import records
from modelserve.payloads import Limits
from modelserve.payloads.decode import CSV, JSON, PARQUET, Protocol, decode_body
from modelserve.payloads.json import oip_v2
from modelserve.payloads.json import records as plain
from modelserve.payloads.json import strict as strict_json
from modelserve.schema.signature import Signature, infer
from signatures import nameless, signature, signature_of, tensor

BOUNDED = settings(
    max_examples=250,
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
LIMITS = Limits(rows=20, columns=10, depth=8)
MARKER = "Zx9marker"
NUMBER = 8675309123  # a value that may not come back either

SIGNATURES: dict[str, Signature | None] = {
    "none": None,
    "scalars": signature(a="long", b="double?", c="string", d="boolean?", e="datetime?", f="binary?"),
    "small": signature(a="integer", b="float"),
    "nameless": nameless("double", "string"),
    "any": nameless("any"),
    "nested": signature_of(
        [
            {"name": "a", "type": "array", "items": {"type": "long"}},
            {"name": "b", "type": "object", "properties": {"a": {"type": "double"}}, "required": False},
            {"name": "c", "type": "map", "values": {"type": "string"}, "required": False},
        ]
    ),
    "tensor": signature_of([tensor("float32", -1, 2)]),
    "tensors": signature_of([tensor("float64", -1, -1, name="a"), tensor("str", -1, name="b")]),
    "instants": signature_of([tensor("datetime64[ns]", -1, 1, name="a")]),
}

WORDS = (
    f"a b c 0 {MARKER} inputs instances dataframe_split dataframe_records columns index data params parameters "
    "predict_method name shape datatype outputs ride id"
)
KEYS = st.sampled_from(WORDS.split())
SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3)
    | st.sampled_from([MARKER, NUMBER, 10**30, 2**63, 1e300, "INT64", "FP32", "BYTES", "2024-01-01", "AAE="])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
DUMPED = VALUES.map(lambda value: json.dumps(value).encode())
MARKED = st.lists(
    st.sampled_from([MARKER.encode(), b"{", b"}", b"[", b'"', b",", b":", b"1", b"\n", b"\xff"]), max_size=12
)
BYTES = st.binary(max_size=60) | MARKED.map(b"".join)


def refused(error: ServeError, known: Signature | None) -> None:
    assert error.status in (400, 413, 415), error
    answer = dict(body(error, "r"))
    if known is None:  # then a bad cell can only be named by the caller's own name of its column
        answer["details"] = [{**detail, "column": ""} for detail in error.details]
    written = json.dumps(answer)
    assert MARKER not in written
    assert str(NUMBER) not in written


def check(data: bytes, kind: str, known: Signature | None) -> None:
    try:
        payload = decode_body(data, kind, Protocol.PREDICT, known, LIMITS)
        batch = known.check(payload.table) if known else infer(payload.table)
        if known:
            known.check_params(payload.params)
    except ServeError as error:
        refused(error, known)
    else:
        assert all(len(column) == batch.rows <= LIMITS.rows for column in batch.columns.values())


@pytest.mark.parametrize("name", SIGNATURES)
@BOUNDED
@given(st.one_of(DUMPED, BYTES))
def test_no_json_breaks_the_decoder_or_comes_back(name: str, data: bytes) -> None:
    check(data, JSON, SIGNATURES[name])


@pytest.mark.parametrize("name", ["none", "scalars", "nameless", "tensor"])
@BOUNDED
@given(BYTES | st.text(f'a,b0c"\n\r.-{MARKER}', max_size=60).map(str.encode))
def test_no_csv_breaks_the_decoder_or_comes_back(name: str, data: bytes) -> None:
    check(data, CSV, SIGNATURES[name])


def parquet() -> bytes:
    file = BytesIO()
    pq.write_table(pa.table({"a": [1, 2], "b": [0.5, None], "c": [MARKER, "x"]}), file)
    return file.getvalue()


WHOLE = parquet()


@BOUNDED
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4)), max_size=4), st.integers(0)
)
def test_no_broken_parquet_breaks_the_decoder_or_comes_back(edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(WHOLE)
    for place, replacement in edits:
        data[place : place + len(replacement)] = replacement
    check(bytes(data[: cut + 1] if edits else data), PARQUET, SIGNATURES["scalars"])


@pytest.mark.parametrize("name", ["none", "scalars", "tensors"])
@BOUNDED
@given(DUMPED)
def test_no_v2_body_breaks_the_decoder_or_comes_back(name: str, data: bytes) -> None:
    known = SIGNATURES[name]
    try:
        payload = oip_v2.parse(strict_json.decode(data, LIMITS.depth), known, LIMITS)
        _ = known.check(payload.table) if known else infer(payload.table)
    except ServeError as error:
        refused(error, known)


@pytest.mark.parametrize("name", ["none", "scalars", "nameless", "tensor", "any"])
@BOUNDED
@given(st.lists(st.tuples(KEYS, st.text(max_size=5) | st.just(MARKER)), max_size=6))
def test_no_query_breaks_the_decoder_or_comes_back(name: str, pairs: list[tuple[str, str]]) -> None:
    known = SIGNATURES[name]
    try:
        table = plain.parse_query(pairs, known, LIMITS).table
        _ = known.check(table) if known else infer(table)
    except ServeError as error:
        refused(error, known)


@pytest.mark.parametrize("name", ["none", "scalars", "nested", "tensors"])
@pytest.mark.parametrize(("features", "own"), [("", ""), ("ride", "id")])
@BOUNDED
@given(data=st.one_of(DUMPED, BYTES))
def test_no_message_breaks_the_decoder_or_comes_back(name: str, features: str, own: str, data: bytes) -> None:
    known = SIGNATURES[name]
    try:
        found = records.parse(data, known, LIMITS, features, own)
        batches = records.check(found, known)
    except ServeError as error:
        refused(error, known)
        return
    assert sum(batch.rows for batch in batches) == len(found.places) == len(found.ids)
    for one in found.rejected:
        refused(one.error, known)
