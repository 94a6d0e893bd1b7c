"""Tensors as bytes are taken as the JSON form takes the same tensors, and refused with a reason where that refuses them."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoding import LIMITS, shown
from modelserve.core.errors import BadInput, MalformedRequest, ServeError
from modelserve.payloads.binary_tensors import Encoded, decode_answer
from modelserve.payloads.decode import JSON, BodyDecoder, Protocol, binary_type
from modelserve.payloads.json.oip_v2 import DATATYPES, answer_of, output_of
from modelserve.schema.signature import Signature
from signatures import bad_cells, nameless, signature, signature_of, tensor

DTYPES = {"BOOL": "?", "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8", "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "FP16": "f2", "FP32": "f4", "FP64": "f8"}  # fmt: skip
KNOWN = signature(n="long", x="double?", t="string?", f="boolean?", g="float?", d="datetime?", b="binary?")
NUMBERS = signature(a="double", b="double", c="long")


def packed(datatype: str, data: Any) -> bytes:
    if datatype != "BYTES":
        return np.array(data).astype("<" + DTYPES[datatype]).tobytes()
    cells = [cell if isinstance(cell, bytes) else cell.encode() for cell in data]
    return b"".join(struct.pack("<I", len(cell)) + cell for cell in cells)


def entry(name: str, datatype: str, data: Any, shape: Any = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def as_bytes(*inputs: Any, **more: Any) -> tuple[bytes, str]:
    """The body and its media type."""
    heads, tail = [], b""
    for one in inputs:
        data = packed(one["datatype"], one["data"])
        head = {name: value for name, value in one.items() if name != "data"}
        heads.append(head | {"parameters": {"binary_data_size": len(data)}})
        tail += data
    head_bytes = json.dumps({"inputs": heads, **more}).encode()
    return head_bytes + tail, binary_type(len(head_bytes))


def outcome(known: Signature | None, body: bytes, kind: str) -> Any:
    try:
        return shown(BodyDecoder(known, LIMITS).decode(body, kind, Protocol.V2))
    except ServeError as error:
        return type(error), error.message, error.details


def check_as_json(known: Signature | None, *inputs: Any, **more: Any) -> Any:
    found = outcome(known, *as_bytes(*inputs, **more))
    assert repr(found) == repr(outcome(known, json.dumps({"inputs": inputs, **more}).encode(), JSON))
    return found


CASES: list[tuple[Signature | None, list[Any]]] = [
    (KNOWN, [entry("n", "INT64", [1, 2])]),
    (KNOWN, [entry("n", "INT64", [1, 2], [2, 1]), entry("x", "FP64", [0.5, -0.0])]),
    *((KNOWN, [entry("n", kind, [1, 2])]) for kind in DTYPES if kind != "BOOL"),
    (KNOWN, [entry("n", "FP64", [1.0, 2.5])]),
    (KNOWN, [entry("n", "INT64", [1, 2**60]), entry("t", "BYTES", ["é:", ""]), entry("f", "BOOL", [True, False])]),
    (KNOWN, [entry("n", "INT64", [1]), entry("d", "BYTES", ["2024-01-02T00:00:00Z"]), entry("never seen", "FP32", [1.0])]),
    (KNOWN, [entry("x", "FP64", [1.0])]),
    (KNOWN, [entry("n", "BOOL", [True])]),
    (KNOWN, [entry("n", "BYTES", ["1"])]),
    (KNOWN, [entry("n", "INT64", [1, 2]), entry("x", "FP64", [1.0])]),
    (KNOWN, [entry("n", "INT64", [1]), entry("n", "INT64", [1])]),
    (signature(a="integer", b="integer"), [entry("a", "INT64", [1, 2**40]), entry("b", "INT64", [1, 2])]),
    (NUMBERS, [entry("input-0", "FP64", [1.5, 2.5, 3.0, 4.0, 5.0, 6.0], [2, 3])]),
    (NUMBERS, [entry("input-0", "FP64", [1.5, 2.5, 3.5], [1, 3])]),
    (NUMBERS, [entry("input-0", "FP64", [1.0, 2.0], [1, 2])]),
    (signature(a="double", b="double"), [entry("x", "FP64", [1.0, 2.0, 3.0, 4.0], [2, 2])]),
    (signature(a="double", b="double"), [entry("b", "FP64", [1.0, 2.0]), entry("a", "FP64", [3.0, 4.0])]),
    (nameless("double", "string"), [entry("p", "FP64", [1.0]), entry("q", "BYTES", ["x"])]),
    (signature_of([tensor("float64", -1, 2, name="t")]), [entry("t", "FP64", [1.0, 2.0, 3.0, 4.0], [2, 2])]),
    (signature_of([tensor("float32", -1, 2)]), [entry("t", "FP64", [1.0, 2.0], [1, 2])]),
    (signature_of([tensor("uint8", -1, 2)]), [entry("t", "INT64", [1, 300], [1, 2])]),
    (signature_of([tensor("str", -1, 2)]), [entry("t", "BYTES", ["a", "b"], [1, 2])]),
    (None, [entry("x", "FP32", [1.0, 2.0]), entry("t", "BYTES", ["a", "b"])]),
    (None, [entry("x", "INT8", [1, 2, 3, 4], [2, 2])]),
]  # fmt: skip


@pytest.mark.parametrize(("known", "inputs"), CASES, ids=lambda case: repr(case)[:60])
def test_bytes_are_taken_as_the_same_tensors_in_json(known: Signature | None, inputs: list[Any]) -> None:
    check_as_json(known, *inputs, id="i", outputs=[{"name": "predict"}])


@given(st.lists(st.floats(width=32) | st.sampled_from([0.0, 1.0, 2.0**24, 2.0**53, 1e300]), min_size=1, max_size=4), st.sampled_from(["FP32", "FP64"]), st.sampled_from(["n", "x", "g"]))  # fmt: skip
def test_any_numbers_are_taken_or_refused_as_in_json(data: list[float], datatype: str, name: str) -> None:
    with np.errstate(over="ignore"):
        data = np.array(data).astype(DTYPES[datatype]).astype(float).tolist()
    if np.isfinite(data).all():
        inputs = [entry(name, datatype, data)] + ([] if name == "n" else [entry("n", "INT8", [0] * len(data))])
        check_as_json(KNOWN, *inputs)


def test_json_tensors_may_stand_beside_binary_ones() -> None:
    head = json.dumps({"inputs": [entry("t", "BYTES", ["a"]), {"name": "n", "shape": [1], "datatype": "INT64", "parameters": {"binary_data_size": 8}}]}).encode()  # fmt: skip
    found = outcome(KNOWN, head + packed("INT64", [7]), binary_type(len(head)))
    assert found == outcome(KNOWN, json.dumps({"inputs": [entry("t", "BYTES", ["a"]), entry("n", "INT64", [7])]}).encode(), JSON)  # fmt: skip


def test_numbers_reach_the_model_as_one_array_each_and_nan_is_a_null() -> None:
    checked = BodyDecoder(NUMBERS, LIMITS).decode(
        *as_bytes(entry("m", "FP64", [1.5, 2.5, 3.0] * 2, [2, 3])), Protocol.V2
    )
    assert checked.batch.cells is not None
    assert all(isinstance(column, np.ndarray) for column in checked.batch.cells.values())
    optional = BodyDecoder(KNOWN, LIMITS).decode(*as_bytes(entry("n", "INT64", [1]), entry("x", "FP64", [np.nan])), Protocol.V2)  # fmt: skip
    assert np.isnan(optional.batch.columns["x"]).all()


def test_bytes_of_a_binary_column_are_taken_as_they_are() -> None:
    body = as_bytes(entry("n", "INT64", [1]), entry("b", "BYTES", [b"\x00\xff"]))
    assert BodyDecoder(KNOWN, LIMITS).decode(*body, Protocol.V2).batch.columns["b"].tolist() == [b"\x00\xff"]


def test_nan_and_infinity_are_named() -> None:
    body = as_bytes(entry("a", "FP64", [np.nan, 1, np.inf]), entry("b", "FP32", [1, 2, 3]), entry("c", "INT8", [1, 2, 3]))  # fmt: skip
    cells = bad_cells(lambda: BodyDecoder(NUMBERS, LIMITS).decode(*body, Protocol.V2))
    assert cells == [(0, "a", "null in a required column"), (2, "a", "Infinity is not a finite number")]


HEAD = {"name": "n", "shape": [2], "datatype": "INT64"}


def head(size: Any, **more: Any) -> dict[str, Any]:
    return {"inputs": [HEAD | {"parameters": {"binary_data_size": size}} | more]}


@pytest.mark.parametrize(
    ("value", "tail", "message"),
    [
        (head(16), b"0" * 15, "binary_data_size of input 0 is not a number of bytes that the body still has."),
        (head(-1), b"0" * 16, "binary_data_size of input 0 is not"), (head("16"), b"0" * 16, "binary_data_size of input 0 is not"), (head(True), b"0", "binary_data_size of input 0 is not"),
        (head(16), b"0" * 17, "The body has 1 bytes more than its tensors; check binary_data_size."),
        (head(8), b"0" * 8, "Input 0 has 8 bytes, its shape and datatype need another number."),
        (head(16, shape=[10**30]), b"0" * 16, "Input 0 has 16 bytes"), (head(0, shape=[10**18] * 16), b"", "Input 0 has 0 bytes"),
        (head(2, datatype="BOOL"), b"\x01\x02", "The data of input 0 holds bytes that are not BOOL."),
        (head(2, datatype="BF16"), b"00", "The datatype of input 0 is not one of"),
        *((head(len(data), datatype="BYTES"), data, "Input 0 is not as many texts as its shape needs, each behind its length in 4 bytes.")
          for data in (b"", b"\0\0\0", packed("BYTES", ["a"]), packed("BYTES", ["a"] * 3), packed("BYTES", ["a", "b"])[:-1], b"\xff\xff\xff\xff" * 2)),
        (head(10, datatype="BYTES"), packed("BYTES", ["a", b"\xff"]), "The data of input 0 is not valid UTF-8."),
        ({"inputs": [HEAD | {"data": [1, 2]}]}, b"0", "The body has 1 bytes more than its tensors"),
        ({"inputs": [HEAD]}, b"", "The data of input 0 must be a list, or stand as bytes behind the JSON."),
    ],
    ids=str,
)  # fmt: skip
def test_bytes_that_are_no_tensor_are_refused_by_their_place(value: Any, tail: bytes, message: str) -> None:
    data = json.dumps(value).encode()
    with pytest.raises(MalformedRequest) as raised:
        BodyDecoder(None, LIMITS).decode(data + tail, binary_type(len(data)), Protocol.V2)
    assert message in raised.value.message


PIECES: st.SearchStrategy[Any] = st.sampled_from([1, 2, 0, -1, 16, 10**30, None, True, "n", "x", "FP64", "BYTES", "BOOL", [2], [1, 2], [[]], {}, {"binary_data_size": 16}, {"binary_data_size": 2**63}])  # fmt: skip
TENSOR: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["name", "shape", "datatype", "data", "parameters"]), PIECES
)
NEARLY = TENSOR.map(lambda one: HEAD | {"parameters": {"binary_data_size": 16}} | one)


@given(st.lists(NEARLY, max_size=3) | PIECES, st.binary(max_size=40), st.integers(-3, 3))
def test_no_binary_body_breaks_the_decoder(inputs: Any, tail: bytes, off: int) -> None:
    data = json.dumps({"inputs": inputs}).encode()
    for known in (KNOWN, NUMBERS, None, nameless("double", "double"), signature_of([tensor("float64", -1, 2)])):
        found = outcome(known, data + tail, binary_type(max(len(data) + off, 0)))
        assert not isinstance(found[0], type) or issubclass(found[0], BadInput)


def test_the_length_of_the_json_is_checked() -> None:
    body, _ = as_bytes(entry("n", "INT64", [1]))
    for size in (0, 10, len(body), len(body) + 1):
        with pytest.raises(BadInput):
            BodyDecoder(KNOWN, LIMITS).decode(body, binary_type(size), Protocol.V2)
    with pytest.raises(MalformedRequest, match="set Inference-Header-Content-Length"):
        BodyDecoder(KNOWN, LIMITS).decode(json.dumps(head(16)).encode(), JSON, Protocol.V2)


@pytest.mark.parametrize("predictions", [[1.5, 2.0], [[0.1, 0.9]], [1, -2], [True], ["a", "é"], [{"x": 1.0}], np.array([0.5, np.nan])], ids=str)  # fmt: skip
def test_an_answer_in_bytes_is_that_in_json(predictions: Any) -> None:
    outputs = [output_of(name, predictions) for name in ("p", "q")]
    encoded = answer_of({"id": "i"}, outputs, (True, False))
    assert isinstance(encoded, Encoded)
    found = decode_answer(encoded.body, b"%d" % encoded.json_size)
    wanted = answer_of({"id": "i"}, outputs, ())
    assert isinstance(wanted, dict)
    assert repr(found["outputs"][0]) == repr(wanted["outputs"][0])
    assert found["outputs"][1]["name"] == "q"


def test_every_datatype_of_json_has_its_bytes() -> None:
    assert {*DTYPES, "BYTES"} == DATATYPES.keys()
