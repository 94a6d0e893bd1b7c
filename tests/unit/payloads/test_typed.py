"""What the decoder made for a signature takes, and that it gives up wherever the general one would refuse or differ."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserve.bodies import JSON, decode_body
from modelserve.errors import BadInput
from modelserve.payloads import Limits
from modelserve.payloads.typed import MOST_SHAPES, Typed, TypedDecoder, columns_of
from modelserve.signature import Signature, from_mlmodel

LIMITS = Limits(rows=50, columns=20, depth=10)
KINDS = {"t": "string", "n": "long", "x": "double", "f": "boolean", "i": "integer", "a:b": "string"}
OPTIONAL = {"x", "t"}


def signature(**more: Any) -> Signature:
    made = from_mlmodel(
        {"inputs": [{"name": n, "type": k, "required": n not in OPTIONAL} for n, k in KINDS.items()], **more}
    )
    assert made is not None
    return made


SIGNATURE = signature()
GOOD = {"t": "a", "n": 1, "x": 2.5, "f": True, "i": 3, "a:b": "c"}


def decode(value: Any, plain: bool = True) -> Typed | None:
    return TypedDecoder(SIGNATURE, LIMITS).decode(value if type(value) is bytes else json.dumps(value).encode(), plain)


def read(typed: Typed | None) -> Any:
    """Its columns, and what else is known of it."""
    assert typed is not None
    return columns_of(typed.records), typed.extra, typed.form, typed.single


def test_one_record_many_and_the_forms_of_records() -> None:
    columns = [("a",), (1,), (2.5,), (True,), (3,), ("c",)]
    assert read(decode(GOOD)) == (columns, 0, None, True)
    assert read(decode([GOOD])) == (columns, 0, None, False)
    assert read(decode({"dataframe_records": [GOOD]}, plain=False)) == (columns, 0, "dataframe_records", False)
    assert read(decode({"instances": [GOOD, GOOD]})) == ([c * 2 for c in columns], 0, "instances", False)
    nulls = decode(GOOD | {"t": None, "x": None})
    assert read(nulls) == ([(None,), (1,), (None,), *columns[3:]], 0, None, True)


def test_a_colon_in_a_value_is_not_a_key() -> None:
    assert read(decode(GOOD | {"t": "10:30:00", "a:b": "::"}))[0][0] == ("10:30:00",)


@pytest.mark.parametrize(
    "body",
    [
        {**GOOD, "n": "1"}, {**GOOD, "n": True}, {**GOOD, "n": 1.5}, {**GOOD, "n": None}, {**GOOD, "n": 2**53 + 1},
        {**GOOD, "i": 2**31}, {**GOOD, "f": 1}, {**GOOD, "t": 1}, {**GOOD, "x": "2"}, {**GOOD, "x": 2**53 + 1},
        {**GOOD, "x": [1]}, {n: v for n, v in GOOD.items() if n != "n"}, {**GOOD, "unknown": 1},
        [], [GOOD, 1], {"dataframe_split": {"columns": [], "data": []}}, {"dataframe_records": [GOOD], "params": {}},
        [GOOD] * 51, b"", b"{", b"\xff", b'{"t": "\xff"}', json.dumps(GOOD).encode() + b"x",
        json.dumps(GOOD).replace('"n"', '"n": 2, "n"').encode(),
        json.dumps(GOOD | {"t": "dup"}).replace('"n"', '"n": 2, "n"').replace("dup", "\\u003a").encode(),
        json.dumps([GOOD, GOOD]).replace('"i": 3', '"i": 3, "i": 3', 1).encode(),
        b"[" * 5_000,
    ],
    ids=str,
)  # fmt: skip
def test_whatever_else_comes_is_left_to_the_general_decoder(body: Any) -> None:
    assert decode(body) is None


def test_categories_come_as_their_codes_until_a_text_is_none_of_them() -> None:
    decoder = TypedDecoder(SIGNATURE, LIMITS, {"t": {"a": "x", "b:": "y"}})
    for body, texts, coded in (
        ([GOOD, GOOD | {"t": "b:"}, GOOD | {"t": None}], ["x", "y", None], True),
        ([GOOD, GOOD | {"t": "c"}], ["a", "c"], False),
    ):
        found = decoder.decode(json.dumps(body).encode(), plain=True)
        assert found is not None
        assert [cell and str.__str__(cell) for cell in columns_of(found.records)[0]] == texts
        assert found.coded is coded


def test_plain_records_only_where_they_are_taken() -> None:
    assert decode(GOOD, plain=False) is None
    assert decode([GOOD], plain=False) is None


def test_extra_columns_are_learned_and_counted() -> None:
    decoder = TypedDecoder(SIGNATURE, LIMITS)
    for body in ({"id": "x", **GOOD}, [{**GOOD, "id": None}], {"instances": [{"id": 1, **GOOD}] * 2}):
        data = json.dumps(body).encode()
        if len(decoder.shapes) == 1:
            assert decoder.decode(data, plain=True) is None
            decoder.learn(data)
        found = decoder.decode(data, plain=True)
        assert found is not None
        assert found.extra == 1
        assert columns_of(found.records)[1][0] == GOOD["n"]
    nested = json.dumps({**GOOD, "id": [1]}).encode()
    assert decoder.decode(nested, plain=True) is None
    assert decoder.decode(json.dumps(GOOD).encode(), plain=True) is not None


def test_no_caller_makes_it_learn_without_end() -> None:
    decoder = TypedDecoder(SIGNATURE, LIMITS)
    for place in range(3 * MOST_SHAPES):
        decoder.learn(json.dumps({**GOOD, f"extra{place}": 1}).encode())
    decoder.learn(json.dumps({**GOOD, **{f"e{place}": 1 for place in range(1_000)}}).encode())
    others: list[Any] = [
        {**GOOD, 'q"\\': 1},
        [],
        [1],
        5,
        {"instances": 5},
        {"instances": [[1]]},
        {"dataframe_split": {}},
    ]
    for body in others:
        decoder.learn(json.dumps(body).encode())
    assert len(decoder.shapes) == MOST_SHAPES


@pytest.mark.parametrize(
    "wrong",
    [
        signature(params=[{"name": "p", "type": "long", "default": 1, "shape": None}]),
        from_mlmodel({"inputs": [{"type": "double"}, {"type": "double"}]}),
        from_mlmodel({"inputs": [{"name": "d", "type": "datetime"}]}),
        from_mlmodel({"inputs": [{"name": "f", "type": "float"}]}),
        from_mlmodel({"inputs": [{"name": "instances", "type": "double"}]}),
    ],
)
def test_signatures_that_are_left_to_the_general_decoder(wrong: Signature) -> None:
    with pytest.raises(ValueError, match=r"general decoder|a form is"):
        TypedDecoder(wrong, LIMITS)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**53, 2**53 + 1, -(2**31), 2**31, 1e300, 5.0, ":"]), st.text(max_size=5), st.lists(st.integers(), max_size=1),
)  # fmt: skip
FITTING = {
    "t": st.none() | st.text(max_size=5), "n": st.integers(-9, 9), "x": st.none() | st.integers(-9, 9) | st.floats(-9, 9),
    "f": st.booleans(), "i": st.integers(-9, 9), "a:b": st.text(max_size=5),
}  # fmt: skip
RECORD = st.fixed_dictionaries({name: st.one_of(fit, fit, fit, SCALARS) for name, fit in FITTING.items()})
BODY = st.one_of(
    RECORD, st.lists(RECORD, max_size=3), st.fixed_dictionaries({"dataframe_records": st.lists(RECORD, max_size=3)})
)


@given(BODY, st.booleans())
def test_where_both_decoders_answer_they_hold_the_same_cells(body: Any, ascii_only: bool) -> None:
    data = json.dumps(body, ensure_ascii=ascii_only).encode(errors="replace")
    typed = TypedDecoder(SIGNATURE, LIMITS).decode(data, plain=True)
    if typed is None:
        return
    try:
        payload = decode_body(data, JSON, SIGNATURE, LIMITS, records=True)
        batch = SIGNATURE.check(payload.table)
    except BadInput as error:  # pragma: no cover - only when it fails
        raise AssertionError("the general decoder refuses it") from error
    assert (payload.plain, payload.single) == (typed.form is None, typed.single)
    assert batch.rows == len(typed.records)
    for column, cells in zip(SIGNATURE.columns, columns_of(typed.records), strict=True):
        general = column.kind.check(cells, column.required, lambda row, reason: pytest.fail(f"{row}: {reason}"))
        assert general.dtype == batch.columns[column.name].dtype
        assert msgspec.json.encode(general.tolist()) == msgspec.json.encode(batch.columns[column.name].tolist())
