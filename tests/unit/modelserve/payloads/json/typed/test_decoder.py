from __future__ import annotations

import json
from typing import Any

import pytest

from modelserve.core.errors import BadInput
from modelserve.payloads import Limits
from modelserve.payloads.decode import JSON, BodyDecoder, Protocol
from modelserve.payloads.json.mlflow import FORMS
from modelserve.payloads.json.typed.cells import MAX_COLUMNS
from modelserve.payloads.json.typed.decoder import MAX_EXTRA, MAX_EXTRA_LETTERS, MIN_DEPTH, TypedDecoder
from modelserve.schema.extra_columns import ExtraColumns
from modelserve.schema.signature import Signature
from signatures import nameless, signature, signature_of, tensor
from two_decoders import LIMITS, TwoDecoders

WIDE = Limits(rows=50, columns=1_000, depth=10)
NAMES = [f"c{place}" for place in range(MAX_COLUMNS + 1)]


def columns(*names: str) -> Signature:
    return signature(**dict.fromkeys(names, "long"))


LEFT: dict[str, tuple[Signature, Any]] = {
    "nameless": (nameless("long", "long"), [[1, 2]]),
    "a tensor": (signature_of([tensor("float64", -1, 2, name="a")]), {"inputs": {"a": [[1, 2]]}}),
    "a list": (signature_of([{"name": "a", "type": "array", "items": {"type": "long"}}]), {"a": [1]}),
    "many columns": (columns(*NAMES), dict.fromkeys(NAMES, 1)),
    "a form": (columns("a", "instances"), {"a": 1, "instances": 2}),
    "no text of Unicode": (columns("a", "\ud800"), {"instances": [[1, 2]]}),
    "twice": (signature_of([{"name": "a", "type": "long"}] * 2), {"a": 1}),
}


@pytest.mark.parametrize("name", LEFT)
def test_signatures_that_only_the_reporting_decoder_knows(name: str) -> None:
    known, body = LEFT[name]
    with pytest.raises(ValueError, match=r"columns of other kinds|the limits|the name of a form|twice|surrogates"):
        TypedDecoder(known, WIDE, {})
    decoder = BodyDecoder(known, WIDE)
    data = json.dumps(body).encode()
    assert decoder.decode_typed(data, JSON, Protocol.PREDICT) is None
    assert decoder.decode(data, JSON, Protocol.PREDICT).batch.rows == 1


@pytest.mark.parametrize(
    "limits", [Limits(rows=50, columns=2, depth=10), Limits(rows=50, columns=9, depth=MIN_DEPTH - 1)]
)
def test_a_signature_beyond_the_limits_is_left_to_the_reporting_decoder(limits: Limits) -> None:
    with pytest.raises(ValueError, match="beyond the limits"):
        TypedDecoder(columns("a", "b", "c"), limits, {})


def test_a_model_without_a_signature_has_no_types() -> None:
    decoder = BodyDecoder(None, LIMITS)
    assert decoder.decode(b'{"a": 1}', JSON, Protocol.PREDICT).batch.columns["a"].tolist() == [1]


def test_the_widest_signature_and_the_least_depth_are_taken() -> None:
    two = TwoDecoders(columns(*NAMES[:MAX_COLUMNS]), Limits(rows=5, columns=MAX_COLUMNS, depth=MIN_DEPTH))
    assert two.take(dict.fromkeys(NAMES[:MAX_COLUMNS], 1))
    split = {"columns": NAMES[:MAX_COLUMNS], "data": [[1] * MAX_COLUMNS]}
    assert two.take({"dataframe_split": split, "params": {"p": {"q": 1}}})
    assert two.take({"dataframe_split": split, "params": {"p": [[1]]}})
    assert two.take({"dataframe_split": split, "params": {"p": [[[1]]]}}) is None


def test_only_json_has_types() -> None:
    two = TwoDecoders(columns("a"))
    assert two.decoder.decode_typed(b"a\n1\n", "text/csv", Protocol.PREDICT) is None


def test_more_values_than_the_limit_are_not_made() -> None:
    two = TwoDecoders(signature(a="string"), Limits(rows=50, columns=9, depth=9, cells=12))
    assert two.take([{"a": ",[{" * 9}] * 2)
    assert two.take({"instances": [["a"]], "params": {"p": [1] * 20}}) is None


@pytest.mark.parametrize(
    "data",
    [b"", b" ", b"\xef\xbb\xbf{}", b"{", b"[" * 100_000, b'{"a":' * 100_000, b'{"params":{"p":' + b"[" * 50_000, b"\xff", b"\0", b"1" * 5_000],
)  # fmt: skip
@pytest.mark.parametrize("protocol", Protocol)
def test_whatever_is_no_body_is_left_to_be_refused(data: bytes, protocol: Protocol) -> None:
    two = TwoDecoders(columns("a"))
    assert two.take(data, protocol) is None
    with pytest.raises(BadInput):
        two.decoder.decode(data, JSON, protocol)


# --- columns that are not the model's ---


def extra(two: TwoDecoders) -> set[str]:
    return set(two.typed._extra)


def test_columns_that_have_been_seen_are_left_out_from_then_on() -> None:
    two = TwoDecoders(columns("a"))
    body = {"id": "10:30", "a": 1, "b:c": [None, 2.5, True, 2**70, -0.0][3]}
    assert two.take(body) is None
    two.learn(body)
    checked = two.take(body)
    assert checked is not None
    assert checked.payload.table.others.names == {"id", "b:c"}
    assert list(checked.batch.columns) == ["a"]
    checked = two.take([{"a": 1}, {"a": 2, "id": 7}])
    assert checked is not None
    assert checked.payload.table.others.names == {"id"}
    assert two.take({"a": 1, "id": [1]}) is None
    assert two.take({"a": 1, "id": {}}) is None
    assert two.take({"a": 1, "never seen": 1}) is None


def test_an_extra_column_comes_once_in_each_record() -> None:
    two = TwoDecoders(columns("a", "b"))
    two.learn({"a": 1, "b": 1, "id": 1, "di": 1})
    assert two.take([{"id": 1, "di": 2, "a": 1, "b": 2}] * 2)
    for data in (b'{"id": 1, "a": 1, "b": 2, "id": 2}', b'{"id": 1, "a": 1, "b": 2, "i\\u0064": 2}'):
        assert two.take(data) is None
    records = json.dumps([{"id": 1, "di": 2, "a": 1, "b": 2}] * 2).encode()
    assert two.take(b'"id": 3'.join(records.rsplit(b'"di": 2', 1))) is None


def test_what_has_been_seen_is_bounded() -> None:
    two = TwoDecoders(columns("a"), WIDE)
    two.learn({"a": 1, "x" * (MAX_EXTRA_LETTERS + 1): 1})
    assert extra(two) == set()
    two.learn({"a": 1, **dict.fromkeys(NAMES[: MAX_EXTRA + 1], 1)})
    assert extra(two) == set()
    two.learn({"a": 1, "x" * MAX_EXTRA_LETTERS: 1})
    two.learn({"a": 1, **dict.fromkeys(NAMES[: MAX_EXTRA - 1], 1)})
    two.learn({"a": 1, "one more": 1})
    assert extra(two) == {"x" * MAX_EXTRA_LETTERS, *NAMES[: MAX_EXTRA - 1]}


def test_no_more_columns_than_the_limit() -> None:
    two = TwoDecoders(columns("a", "b"), Limits(rows=50, columns=3, depth=10))
    two.learn({"a": 1, "b": 1, "c": 1})
    assert two.take({"a": 1, "b": 1, "c": 1})
    two.typed.learn(ExtraColumns(frozenset({"d"})))
    assert extra(two) == {"c"}
    with pytest.raises(BadInput):
        two.decoder.decode(b'{"a": 1, "b": 1, "c": 1, "d": 1}', JSON, Protocol.PREDICT)


@pytest.mark.parametrize("form", FORMS)
def test_the_name_of_a_form_is_never_learned(form: str) -> None:
    two = TwoDecoders(columns("a"))
    two.typed.learn(ExtraColumns(frozenset({form})))
    assert extra(two) == set()
    body = {"a": 1, form: 1}
    assert two.take(body) is None
    with pytest.raises(BadInput):
        two.decoder.decode(json.dumps(body).encode(), JSON, Protocol.PREDICT)


@pytest.mark.parametrize("name", ["\ud800", 'quo"ted', "back\\slash", "line\n"])
def test_a_name_that_no_field_can_have_is_not_learned(name: str) -> None:
    two = TwoDecoders(columns("a"))
    two.typed.learn(ExtraColumns(frozenset({name})))
    assert extra(two) == set()
    assert two.take({"a": 1})
