from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelserve.core.errors import BadInput
from modelserve.payloads import PayloadForm
from modelserve.payloads.decode import JSON, CheckedBody, Protocol
from modelserve.payloads.json.typed.layouts import MAX_LAYOUTS
from signatures import signature
from two_decoders import TwoDecoders, as_bytes

TWO = TwoDecoders(
    signature(n="long", x="double?", t="string?", f="boolean?", g="float?", d="datetime?", b="binary?"), categories=True
)
FP = ("FP16", "FP32", "FP64")
INT = tuple(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))


def tensor(name: str, datatype: str, data: Any, *shape: Any) -> dict[str, Any]:
    return {"name": name, "shape": list(shape) or [len(data)], "datatype": datatype, "data": data}


N, X = tensor("n", "INT64", [1, 2]), tensor("x", "FP64", [0.5, -0.0])
GOOD = {"inputs": [N, X]}


def take(body: Any) -> CheckedBody | None:
    return TWO.take(body, Protocol.V2)


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        {"inputs": [N]},
        {"inputs": [X, N]},
        {"inputs": [tensor("n", "INT64", [1, 2], 2, 1), X]},
        *({"inputs": [tensor("n", datatype, [1, 2])]} for datatype in (*INT, *FP)),
        *({"inputs": [N, tensor("x", datatype, [1, None])]} for datatype in INT),
        *({"inputs": [N, tensor("x", datatype, [1, -0.0])]} for datatype in FP),
        *({"inputs": [N, tensor("g", datatype, [2**24, None])]} for datatype in (*INT, *FP)),
        {"inputs": [N, tensor("g", "FP32", [0.1, 3.4e38])]},
        {"inputs": [N, tensor("t", "BYTES", ["é:", None]), tensor("f", "BOOL", [True, None])]},
        {"inputs": [N, tensor("d", "BYTES", ["2024-01-02", None]), tensor("b", "BYTES", ["AAE=", None])]},
        {**GOOD, "id": "r:1", "parameters": {"predict_method": "predict_proba", "p": 1.0, "q": None}},
        {**GOOD, "parameters": {}},
        {**GOOD, "parameters": None},
        {**GOOD, "parameters": {"content_type": "pd", "timeout": 5}},
        {"inputs": [{**N, "parameters": {"content_type": "a:b", "p": True}}, {**X, "parameters": None}]},
        {**GOOD, "outputs": None},
        {**GOOD, "outputs": []},
        {"outputs": [{"name": "predict"}, {"name": "predict_proba"}], **GOOD},
        {"inputs": [tensor("n", "INT64", [1] * 50)]},
    ],
    ids=lambda body: json.dumps(body)[:90],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_tensors_of_the_columns_are_taken(body: Any, indent: int | None) -> None:
    checked = take(json.dumps(body, indent=indent).encode())
    assert checked is not None
    assert checked.payload.form is PayloadForm.TENSORS


def test_layouts_are_bounded_and_wrong_ones_are_not_kept() -> None:
    orders = list(permutations([N, X, tensor("t", "BYTES", ["a", None]), tensor("f", "BOOL", [True, None])]))
    assert len(orders) > MAX_LAYOUTS
    for _ in range(2):
        for order in orders:
            assert take({"inputs": order}) is not None
    reader = TWO.typed._tensors[0]
    before = dict(reader.layouts.known)
    assert 0 < len(before) <= MAX_LAYOUTS
    for inputs in ([X], [N, N], [N, tensor("m", "INT64", [1, 2])], [tensor("n", "INT7", [1, 2])]):
        assert take({"inputs": inputs}) is None
    assert reader.layouts.known == before


def test_what_is_asked_beside_the_tensors_is_taken_over() -> None:
    params = {"predict_method": "predict_proba", "p": 1}
    checked = take({**GOOD, "id": "r1", "parameters": params, "outputs": [{"name": "predict"}]})
    assert checked is not None
    payload = checked.payload
    assert (payload.own_id, payload.method, payload.params) == ("r1", "predict_proba", {"p": 1})
    assert payload.outputs == ("predict",)


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"inputs": []}, {"inputs": {}}, {"inputs": None}, {"inputs": [1]}, {"inputs": [{}]}, {"inputs": [X]},
        {"inputs": [N, N]}, {"inputs": [N, X, X]}, {"inputs": [N, tensor("never seen", "INT64", [1, 2])]},
        {"inputs": [N, tensor("x", "FP64", [1.0], 2)]}, {"inputs": [N, tensor("x", "FP64", [1.0])]}, {"inputs": [N, tensor("x", "FP64", [1.0, 2.0, 3.0])]},
        *({"inputs": [tensor("n", "INT64", [1, 2], *shape)]} for shape in ((1,), (3,), (0,), (-2,), (1, 2), (2, 2), (2, 1, 1), (2.0,), ("2",), (True,), (2**70,))),
        {"inputs": [{**N, "shape": []}]}, {"inputs": [{**N, "shape": 2}]}, {"inputs": [{**N, "data": []}]}, {"inputs": [{**N, "data": [], "shape": [0]}]},
        {"inputs": [{**N, "data": [[1], [2]]}]}, {"inputs": [{**N, "data": {}}]}, {"inputs": [{**N, "data": "12"}]}, {"inputs": [{**N, "more": 1}]}, {"inputs": [{**N, "parameters": 1}]},
        {"inputs": [{**N, "parameters": {"p": {"q": 1}}}]}, {"inputs": [{**N, "parameters": {"p": [1]}}]}, {"inputs": [{**N, "parameters": {"shared_memory_region": "r"}}]},
        {**GOOD, "parameters": {"binary_data_output": True}},
        *({"inputs": [tensor("n", datatype, [1, 2])]} for datatype in ("BOOL", "BYTES", "INT128", "int64", "", "FP8")),
        *({"inputs": [tensor("n", datatype, [1, 2.0])]} for datatype in (*INT, *FP)), {"inputs": [tensor("n", "INT64", [1, None])]},
        *({"inputs": [N, tensor("x", datatype, [1.0, 2])]} for datatype in INT), {"inputs": [N, tensor("x", "FP64", [True, 1])]},
        {"inputs": [N, tensor("x", "FP64", [2**53 + 1, 1])]}, {"inputs": [N, tensor("x", "INT64", [2**53 + 1, 1])]}, {"inputs": [N, tensor("g", "FP32", [2**24 + 1, 1])]}, {"inputs": [tensor("n", "INT64", [2**53, 1])]},
        {"inputs": [N, tensor("f", "BOOL", [1, 0])]}, {"inputs": [N, tensor("f", "INT8", [1, 0])]}, {"inputs": [N, tensor("t", "BYTES", [1, 0])]},
        {"inputs": [N, tensor("d", "BYTES", ["2024-13-01", None])]}, {"inputs": [N, tensor("b", "BYTES", ["A", None])]},
        {**GOOD, "id": 1}, {**GOOD, "id": None}, {**GOOD, "more": 1}, {**GOOD, "parameters": []}, {**GOOD, "parameters": {"predict_method": 1}},
        {**GOOD, "outputs": {}}, {**GOOD, "outputs": [{}]}, {**GOOD, "outputs": ["predict"]}, {**GOOD, "outputs": [{"name": 1}]},
        {**GOOD, "outputs": [{"name": "predict"}, {"name": "predict"}]}, {**GOOD, "outputs": [{"name": "predict", "parameters": {}}]},
        {**GOOD, "parameters": {"p": [{"q": 1.0}]}}, {"inputs": [tensor("n", "INT64", [1] * 51)]},
    ],
    ids=lambda body: json.dumps(body)[:90],
)  # fmt: skip
def test_whatever_else_comes_is_left_to_the_reporting_decoder(body: Any) -> None:
    assert take(body) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name": "n"', b'"name": "n", "name": "n"'), (b'"name": "n"', b'"name": "n", "nam\\u0065": "n"'), (b'"name": "n"', b'"name": "n", "name" : "n"'),
        (b'"shape": [2]', b'"shape": [2], "shape": [2]'), (b'"shape": [2]', b'"shape": [9], "shape": [2]'), (b'"data": [1, 2]', b'"data": [1, 2], "data": [1, 2]'),
        (b'"data": [1, 2]', b'"data": ["a"], "data": [1, 2]'), (b'"datatype": "INT64"', b'"datatype": "INT64", "datatype": "INT64"'),
        (b'"inputs": [', b'"inputs": [], "inputs": ['), (b'"id": "r"', b'"id": "r", "id": "r"'), (b'"outputs": [', b'"outputs": null, "outputs": ['),
        (b'"name": "predict"', b'"name": "predict", "name": "predict"'), (b'"parameters": {', b'"parameters": {}, "parameters": {'),
        (b'"p": 1', b'"p": 1, "p": 1'), (b'"data": [1, 2]', b'"data": [1, 2], "parameters": {"q": 1, "q": 1}'), (b'"p": 1', b'"p": {"q": 1, "q": 1}'), (b'"id": "r"', b'"id": "r", "more": [[[[[[[[[[[[1]]]]]]]]]]]]'),
        (b"1, 2", b"1, 2,"), (b"1, 2", b"1 2"), (b"1, 2", b"01, 2"), (b'"INT64"', b'"INT64'), (b'"r"', b'"\xff"'), (b'"r"', b'"\\ud800"'), (b'"n"', b'"\xff"'),
    ],
)  # fmt: skip
def test_a_key_twice_and_what_is_not_quite_json_is_left_to_the_reporting_decoder(old: bytes, new: bytes) -> None:
    body = as_bytes({**GOOD, "id": "r", "outputs": [{"name": "predict"}], "parameters": {"p": 1}})
    assert take(body)
    assert old in body
    assert take(body.replace(old, new, 1)) is None
    assert take(body + b"}") is None
    assert take(body[:-1]) is None


def test_a_tensor_that_is_missing_is_named_by_the_reporting_decoder() -> None:
    with pytest.raises(BadInput):
        TWO.decoder.decode(as_bytes({"inputs": [X]}), JSON, Protocol.V2)


# A colon behind a quotation mark looks like that of a key: such bodies are left to the reporting decoder.
LETTERS = st.characters(codec="utf-8", exclude_characters='":')
FITTING: dict[str, tuple[tuple[str, ...], st.SearchStrategy[Any]]] = {
    "n": ((*INT, *FP), st.integers(1 - 2**53, 2**53 - 1)),
    "x": (FP, st.none() | st.floats(1 - 2**53, 2**53 - 1) | st.integers(-9, 9)),
    "t": (("BYTES",), st.none() | st.sampled_from(["", "a:b", "\\", "\n"]) | st.text(LETTERS, max_size=5)),
    "f": (("BOOL",), st.none() | st.booleans()),
    "g": (FP, st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(2**24), 2**24)),
    "d": (("BYTES",), st.none() | st.sampled_from(["2024-01-02", "2024-01-02T03:04:05.123+01:00"])),
    "b": (("BYTES",), st.none() | st.sampled_from(["", "AAE=", "AA=="])),
}
ANY = st.sampled_from([None, True, 1, 1.0, 2**53, 2**53 + 1, -0.0, 1e300, "a", ":", '":', [], [1], {}, {"a": 1}, 2**70])
MIXED = {name: cells | ANY for name, (_, cells) in FITTING.items()}
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=3),
        "parameters": st.none() | st.dictionaries(st.text(max_size=3) | st.just("predict_method"), ANY, max_size=2),
        "outputs": st.none() | st.lists(st.fixed_dictionaries({"name": st.sampled_from(["predict", "a"])}), max_size=2),
    },
)


@st.composite
def requests(draw: st.DrawFn, fits: bool) -> dict[str, Any]:
    rows = draw(st.integers(1, 3))
    names = draw(st.permutations(list(FITTING))) if draw(st.booleans()) else ["n"]
    inputs = []
    for name in names:
        datatypes, cells = FITTING[name]
        datatype = draw(st.sampled_from(datatypes if fits else (*datatypes, *datatypes, "BYTES", "INT8", "FP64")))
        cell = cells if fits or draw(st.booleans()) else MIXED[name]
        shape = draw(st.sampled_from([[rows], [rows, 1]] + ([] if fits else [[1, rows], [rows, 1, 1], [rows + 1]])))
        inputs.append(tensor(name, datatype, draw(st.lists(cell, min_size=rows, max_size=rows)), *shape))
    return {"inputs": inputs, **({} if fits else draw(OPTIONS))}


@settings(max_examples=300)
@given(requests(fits=True), st.booleans())
def test_tensors_that_fit_are_taken_as_the_reporting_decoder_takes_them(body: Any, ascii_only: bool) -> None:
    assert take(json.dumps(body, ensure_ascii=ascii_only).encode())


@settings(max_examples=1_000)
@given(requests(fits=False), st.booleans(), st.integers(0, 400), st.binary(max_size=2), st.integers(0, 2))
def test_whatever_is_taken_the_reporting_decoder_takes_as_the_same(
    body: Any, ascii_only: bool, place: int, new: bytes, cut: int
) -> None:
    data = json.dumps(body, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    take(data)
    take(data[:place] + new + data[place + cut :])
