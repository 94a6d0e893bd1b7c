"""What is read straight into tensors is what the general way puts there, and whatever else comes is left to the general way."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelserve.core.errors import BadInput
from modelserve.http.bodies import JSON, decode_body
from modelserve.models.compiled import rows_plan
from modelserve.models.compiled.packing import NULL_TEXT, Input, Lookup, Packing, Plan
from modelserve.models.compiled.rows import MOST_EXTRA, RowReader, Taken
from modelserve.payloads import Limits
from modelserve.schema.signature import Signature, from_mlmodel

LIMITS = Limits(rows=50, columns=40, depth=10)
KINDS = {"t": "string", "n": "long", "x": "double", "f": "boolean", "i": "integer", "a:b": "string", "ü": "string"}
OPTIONAL = {"x", "t", "f", "a:b"}
CATEGORIES = ["a", "b:", "grün", 'quo"ted', "line\nbreak", "\U0001f600", "", NULL_TEXT, "\ud800"]
PACKING = Packing(
    Plan(
        numbers=[Input("x", "double"), Input("n", "double", exact_integers=True), Input("f", "double", nullable=True)],
        lookups=[
            Lookup(Input("t", "string", nullable=True), CATEGORIES, range(len(CATEGORIES)), 90),
            Lookup(Input("ü", "string"), ["a"], [0], 91),
            Lookup(Input("t", "string", nullable=True), CATEGORIES[::-1], range(len(CATEGORIES)), 92),
            Lookup(Input("x", "double", nullable=True), [0.0, 2.5, 5, 1e400, float("nan")], range(5), 93),
            Lookup(Input("i", "double"), [3, 10**400, True], range(3), 94),
            Lookup(Input("f", "double", nullable=True), [True], [1], 0),
        ],
        texts={"text_0": Input("a:b", "string", nullable=True, lower=True)},
    )
)


def signature(**more: Any) -> Signature:
    columns = [{"name": n, "type": k, "required": n not in OPTIONAL} for n, k in KINDS.items()]
    made = from_mlmodel({"inputs": columns, **more})
    assert made is not None
    return made


SIGNATURE = signature()
GOOD: dict[str, Any] = {"t": "a", "n": 1, "x": 2.5, "f": True, "i": 3, "a:b": "C", "ü": "a"}
READER = RowReader(SIGNATURE, PACKING, LIMITS, most_rows=60)


def body(value: Any, **options: Any) -> bytes:
    return value if type(value) is bytes else json.dumps(value, **options).encode(errors="replace")


def take(value: Any, plain: bool = True, row: int = 0) -> Taken | None:
    return READER.take(body(value), row, plain)


def assert_as_general(data: bytes, taken: Taken, row: int = 0) -> None:
    """The tensors hold what decoding and checking first gives."""
    try:
        payload = decode_body(data, JSON, SIGNATURE, LIMITS, records=True)
        batch = SIGNATURE.check(payload.table)
    except BadInput as error:  # pragma: no cover - only when it fails
        raise AssertionError("the general decoder refuses it") from error
    assert (payload.plain, payload.single) == (taken.form is None, taken.single)
    assert (batch.rows, payload.table.extra) == (taken.rows, taken.extra)
    general, found = PACKING.of_batch(batch), READER.tensors(row, row + taken.rows)
    assert found.keys() == general.keys()
    for name in found:
        assert found[name].dtype == general[name].dtype
        np.testing.assert_array_equal(found[name], general[name])
        if name == "numbers":  # zero and negative zero are equal
            np.testing.assert_array_equal(np.signbit(found[name]), np.signbit(general[name]))


@pytest.mark.parametrize(
    ("value", "plain", "expected"),
    [
        (GOOD, True, Taken(1, None, True, 0)),
        ([GOOD], True, Taken(1, None, False, 0)),
        ([GOOD] * 50, True, Taken(50, None, False, 0)),
        ({"dataframe_records": [GOOD]}, False, Taken(1, "dataframe_records", False, 0)),
        ({"instances": [GOOD, GOOD]}, True, Taken(2, "instances", False, 0)),
        (dict(reversed(GOOD.items())), True, Taken(1, None, True, 0)),
        ({"id": "x", **GOOD, "no\u00e9l": [1, None, True, 1e5][1]}, True, Taken(1, None, True, 2)),
        ([{**GOOD, "id": 2**70}, {"id": "straße", **GOOD}], True, Taken(2, None, False, 1)),
        ({**GOOD, "t": NULL_TEXT}, True, Taken(1, None, True, 0)),
        ([{**GOOD, "t": None}, {**GOOD, "x": None, "f": None, "a:b": None}], True, Taken(2, None, False, 0)),
        ({**GOOD, "t": "never seen: é", "x": 5, "f": False}, True, Taken(1, None, True, 0)),
    ],
    ids=str,
)
def test_records_in_every_form_and_order_are_taken(value: Any, plain: bool, expected: Taken) -> None:
    data = json.dumps(value, ensure_ascii=False, indent=1).encode()
    assert take(data, plain) == expected
    assert_as_general(data, expected)
    assert take(data, plain, row=10) == expected
    assert_as_general(data, expected, row=10)


def test_names_and_categories_of_every_length_are_told_apart() -> None:
    """They are compared eight bytes at a time: one that differs in any byte, or in its length alone, is another."""
    letters = "abcdefghij" * 4
    words = [letters[:length] for length in range(1, 35)]
    columns = [{"name": word, "type": "string", "required": True} for word in words]
    texts = from_mlmodel({"inputs": columns})
    assert texts is not None
    lookups = [Lookup(Input(word, "string"), words, range(len(words)), 99) for word in words]
    packing = Packing(Plan(numbers=[], lookups=lookups, texts={}))
    reader = RowReader(texts, packing, LIMITS, most_rows=1)
    others = [word[:place] + "x" + word[place + 1 :] for word in words for place in range(len(word))]
    for category in ["", letters, *words, *others]:
        data = body(dict.fromkeys(words, category))
        assert reader.take(data, 0, plain=True) == Taken(1, None, True, 0)
        general = packing.of_batch(texts.check(decode_body(data, JSON, texts, LIMITS, records=True).table))
        np.testing.assert_array_equal(reader.tensors(0, 1)["codes"], general["codes"])
    for name in ["", letters, *others]:
        renamed = {name if word == words[-1] else word: "a" for word in words}
        assert reader.take(body(renamed), 0, plain=True) is None, name


@pytest.mark.parametrize(
    "spelled",
    [
        lambda number: f"{number}".encode(),
        lambda number: f"cat{number:04}".encode(),
        lambda number: f"zone{number:04}".encode(),
        lambda number: f"store-{number:03}".encode(),
        lambda number: f"neighbourhood-{number:03}".encode(),
        lambda number: f"{number:03} of the same end".encode(),
        lambda number: struct.pack("=d", number),
        lambda number: struct.pack("=d", number / 8),
    ],
    ids=lambda spelled: str(spelled(1)),
)
def test_a_category_is_found_near_its_place_however_alike_they_are(spelled: Callable[[int], bytes]) -> None:
    """What is looked for is compared with whatever stands from its place on to the next free one."""
    made = rows_plan.table([(spelled(number), number) for number in range(1_000)])
    taken = [made.slots[place].size > 0 for place in range(made.mask + 1)]
    assert sum(taken) == 1_000
    assert max(sum(group) for _, group in groupby(taken)) < 24


@pytest.mark.parametrize("category", CATEGORIES[:7])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_category_is_known_however_it_is_spelled(category: str, ascii_only: bool) -> None:
    data = body(GOOD | {"t": category}, ensure_ascii=ascii_only)
    taken = take(data)
    assert taken is not None
    assert_as_general(data, taken)


@pytest.mark.parametrize(
    "text",
    [
        "0", "-0", "1", "9007199254740992", "-9007199254740992", "0.0", "-0.0", "0.1", "1e2", "1E+2", "-1e-2", "1.5e300", "5e-324",
        "0.30000000000000004", "123456789012345.67", "9007199254740993.0", "1e22", "1e23", "0.000000000000000000000001", "1e-400",
        "179769313486231570000000000000000000.0", "2.2250738585072011e-308", "3" * 17 + ".5", "0." + "1" * 50,
    ],
)  # fmt: skip
def test_a_double_is_the_nearest_one(text: str) -> None:
    data = body(GOOD).replace(b"2.5", text.encode())
    taken = take(data)
    assert taken is not None
    assert_as_general(data, taken)


@pytest.mark.parametrize(
    "text",
    [
        "", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1.e5", "0x10", "0x1p3", "1_0", "1,5", "Infinity", "-Infinity", "NaN", "nan",
        "inf", "1e999", "-1e999", "9007199254740993", "1" * 100, "1." + "1" * 100, "1e99999999999999999999", "1.5.5", "--1", "1-1", "tru",
        "truex", "nul", "nullx", "{}", "[]", '"', '"a', '"2"', "'a'", "2.5 3",
    ],
)  # fmt: skip
def test_what_is_no_number_or_not_certain_is_left_to_the_general_decoder(text: str) -> None:
    assert take(body(GOOD).replace(b"2.5", text.encode())) is None


@pytest.mark.parametrize(
    "value",
    [
        {**GOOD, "n": "1"}, {**GOOD, "n": True}, {**GOOD, "n": 1.5}, {**GOOD, "n": 1.0}, {**GOOD, "n": None}, {**GOOD, "n": 2**53 + 1},
        {**GOOD, "i": 2**31}, {**GOOD, "i": -(2**31) - 1}, {**GOOD, "f": 1}, {**GOOD, "t": 1}, {**GOOD, "x": "2"}, {**GOOD, "x": 2**53 + 1},
        {**GOOD, "x": [1]}, {**GOOD, "ü": "a\\b"}, {**GOOD, "a:b": "\n"}, {n: v for n, v in GOOD.items() if n != "n"}, {}, [{}], [],
        [GOOD, 1], 1, None, "a", [[GOOD]], {"dataframe_split": {"columns": [], "data": []}}, {"dataframe_records": [GOOD], "params": {}},
        {"dataframe_records": GOOD}, {"dataframe_records": []}, {"instances": [GOOD], "instances ": 1}, {**GOOD, "instances": 1},
        {**GOOD, "inputs": 1}, {**GOOD, "id": [1]}, {**GOOD, "id": {}}, {**GOOD, "id\n": 1}, [GOOD, {**GOOD, "id": 1}],
        [{**GOOD, "id": 1}, GOOD], [{**GOOD, "id": 1}, {**GOOD, "di": 1}], {**GOOD, **{f"e{n}": n for n in range(MOST_EXTRA + 1)}},
        [GOOD] * 51, [GOOD] * 61,
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_whatever_else_comes_is_left_to_the_general_decoder(value: Any) -> None:
    assert take(value) is None
    assert take(GOOD) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"i": 3', b'"n": 1'), (b'"n": 1', b'"n": 1, "n": 1'), (b'"n": 1', b'"n": 1, "\\u006e": 1'), (b'"n": 1', b'"id": 1, "n": 1, "id": 2'),
        (b'"n": 1', b'"i\\u0064": 1, "n": 1, "id": 2'), (b'"n": 1', b'"n": 1,'), (b'"n": 1', b'"n" 1'), (b'"n": 1', b'"n":: 1'),
        (b'"n": 1', b"n: 1"), (b'"a"', b'"\xff"'), (b'"a"', b'"\xed\xa0\x80"'), (b'"a"', b'"\xc0\xaf"'), (b'"a"', b'"\xf4\x90\x80\x80"'),
        (b'"a"', b'"\xe2\x82"'), (b'"a"', b'"\x01"'), (b'"a"', b'"\\q"'), (b'"a"', b'"\\ud800"'), (b'"C"', b'"\xff"'), (b'"C"', b'"\\u0041"'),
        (b'"n": 1', b'"\xff": 1, "n": 1'), (b'"n": 1', b'"id": "\xff", "n": 1'), (b'"n": 1', b'"id": "\\", "n": 1'), (b"}", b"},"),
        (b"}", b"}x"), (b"}", b"}\0"), (b"}", b""), (b"{", b""), (b"{", b"{,"), (b"{", b"\xef\xbb\xbf{"), (b"}", b"]"),
    ],
)  # fmt: skip
def test_a_body_that_is_not_quite_json_is_left_to_the_general_decoder(old: bytes, new: bytes) -> None:
    good = body(GOOD, ensure_ascii=False)
    assert old in good
    assert take(good.replace(old, new, 1)) is None


def test_what_is_not_the_models_comes_once_in_each_record() -> None:
    """Also where it stands in place of another that is not the model's: only how many there are would not tell."""
    records = body([{"id": 1, "di": 2, **GOOD}] * 2)
    assert take(records) == Taken(2, None, False, 2)
    assert take(b'"id": 3'.join(records.rsplit(b'"di": 2', 1))) is None


def test_plain_records_only_where_they_are_taken() -> None:
    assert take(GOOD, plain=False) is None
    assert take([GOOD], plain=False) is None


def test_no_more_columns_than_the_limit() -> None:
    few = RowReader(SIGNATURE, PACKING, Limits(rows=50, columns=len(KINDS) + 1, depth=10), 60)
    assert few.take(body({**GOOD, "e": 1}), 0, plain=True) is not None
    assert few.take(body({**GOOD, "e": 1, "f2": 2}), 0, plain=True) is None


@pytest.mark.parametrize(
    "wrong",
    [
        signature(params=[{"name": "p", "type": "long", "default": 1, "shape": None}]),
        from_mlmodel({"inputs": [{"type": "double"}, {"type": "double"}]}),
        from_mlmodel({"inputs": [{"name": "d", "type": "datetime"}]}),
        from_mlmodel({"inputs": [{"name": "f", "type": "float"}]}),
        from_mlmodel({"inputs": [{"name": "instances", "type": "double"}]}),
        from_mlmodel({"inputs": [{"name": "\ud800", "type": "double"}]}),
    ],
)
def test_signatures_that_are_left_to_the_general_decoder(wrong: Signature) -> None:
    with pytest.raises(ValueError, match=r"general decoder|taken as one|surrogates"):
        RowReader(wrong, Packing(Plan([], [], {})), LIMITS, 10)


def test_without_its_library_the_general_decoder_reads_everything_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rows_plan, "LIBRARY", tmp_path / "rows.binary")
    rows_plan.library.cache_clear()
    try:
        with pytest.raises(ValueError, match="has not been made"):
            RowReader(SIGNATURE, PACKING, LIMITS, 10)
        assert "rows.binary is not there" in caplog.text
    finally:
        rows_plan.library.cache_clear()


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**53, 2**53 + 1, -(2**31), 2**31, 1e300, 5.0, ":"]), st.text(max_size=5), st.lists(st.integers(), max_size=1),
)  # fmt: skip
DOUBLES = st.none() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
FITTING = {
    "t": st.none() | st.sampled_from(CATEGORIES[:7]) | st.text(max_size=5), "n": st.integers(-(2**53), 2**53), "x": DOUBLES,
    "f": st.booleans() | st.none(), "i": st.integers(-9, 9), "a:b": st.none() | st.text(max_size=5), "ü": st.text(max_size=5),
}  # fmt: skip
RECORD = st.fixed_dictionaries(
    {name: st.one_of(fit, fit, fit, fit, fit, SCALARS) for name, fit in FITTING.items()}, optional={"more": SCALARS}
)
BODY = st.one_of(
    RECORD, st.lists(RECORD, max_size=3), st.fixed_dictionaries({"dataframe_records": st.lists(RECORD, max_size=3)})
)


@settings(max_examples=1_000)
@given(BODY, st.booleans(), st.integers(0, 20))
@example([GOOD, GOOD | {"x": -0.0}], True, 0)
def test_where_it_takes_a_body_its_tensors_are_those_of_the_general_way(value: Any, ascii_only: bool, row: int) -> None:
    data = body(value, ensure_ascii=ascii_only)
    taken = take(data, row=row)
    if taken is not None:
        assert_as_general(data, taken, row)


@settings(max_examples=1_000)
@given(st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3)), max_size=3))
def test_where_it_takes_a_damaged_body_the_general_way_takes_it_too(damages: list[tuple[int, bytes, int]]) -> None:
    data = body([GOOD, GOOD | {"id": 1, "t": "grün"}][:1] * 2, ensure_ascii=False)
    for place, new, cut in damages:
        data = data[:place] + new + data[place + cut :]
    taken = take(data)
    if taken is not None:
        assert_as_general(data, taken)
