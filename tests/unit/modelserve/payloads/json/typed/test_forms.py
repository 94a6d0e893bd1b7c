from __future__ import annotations

import json
from typing import Any

import pytest

from modelserve.payloads import Limits, PayloadForm
from modelserve.payloads.decode import CheckedBody, Protocol
from modelserve.payloads.json.typed.cells import MAX_COLUMNS
from modelserve.payloads.json.typed.layouts import MAX_LAYOUTS
from modelserve.schema.extra_columns import ExtraColumns
from signatures import signature
from two_decoders import TwoDecoders, as_bytes

KINDS = {"t": "string?", "n": "long", "x": "double?", "f": "boolean?", "i": "integer", "a:b": "string?", "ü": "string"}
GOOD: dict[str, Any] = {"t": "a", "n": 1, "x": 2.5, "f": True, "i": 3, "a:b": "C", "ü": "a"}
ROW = list(GOOD.values())
LEAST = {"n": 1, "i": 3, "ü": "a"}
COLUMNS = {name: [value, value] for name, value in GOOD.items()}
TWO = TwoDecoders(signature(**KINDS))


def split(columns: Any = tuple(KINDS), data: Any = (ROW,), **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": columns, "data": data, **more}}


def take(body: Any, two: TwoDecoders = TWO) -> CheckedBody | None:
    """Of a record or a list of records, and of a form at both addresses that take it."""
    found = two.take(body)
    if not isinstance(body, dict) or not any(form in body for form in ("dataframe_records", "instances", "inputs")):
        return found
    assert (found is None) == (two.take(body, Protocol.INVOCATIONS) is None)
    return found


RECORD, RECORDS, FORM = PayloadForm.RECORD, PayloadForm.RECORDS, PayloadForm.INVOCATION


@pytest.mark.parametrize(
    ("body", "form", "rows"),
    [
        (GOOD, RECORD, 1), (LEAST, RECORD, 1), (dict(reversed(GOOD.items())), RECORD, 1), ([GOOD], RECORDS, 1), ([GOOD] * 50, RECORDS, 50),
        ([GOOD, LEAST, {**GOOD, "t": None}, {**GOOD, "x": None, "f": None, "a:b": None}], RECORDS, 4), ([LEAST, LEAST], RECORDS, 2),
        ({**GOOD, "t": "never seen: é", "x": 5, "f": False}, RECORD, 1), ({**GOOD, "t": "\uffff\ufffenull", "a:b": "\n", "ü": "a\\b"}, RECORD, 1),
        ({**GOOD, "x": -0.0}, RECORD, 1), ({**GOOD, "t": 'quo"ted', "ü": "\U0001f600"}, RECORD, 1),
        ({"dataframe_records": [GOOD]}, FORM, 1), ({"dataframe_records": [LEAST, GOOD]}, FORM, 2),
        ({"instances": [GOOD, LEAST]}, FORM, 2), ({"instances": [ROW, ROW]}, FORM, 2), ({"instances": [[None, 1, None, None, 3, None, ""]]}, FORM, 1),
        ({"inputs": [GOOD, LEAST]}, FORM, 2), ({"inputs": [ROW, ROW]}, FORM, 2), ({"inputs": COLUMNS}, FORM, 2),
        ({"inputs": {"ü": ["a"], "i": [3], "n": [1]}}, FORM, 1), ({"inputs": {**COLUMNS, "x": [None, 1]}}, FORM, 2),
        (split(), FORM, 1), (split(list(reversed(KINDS)), [ROW[::-1]] * 3), FORM, 3), (split(["ü", "n", "i"], [["a", 1, 3]]), FORM, 1),
        (split([*KINDS, "id", "u:v"], [[*ROW, "10:30", None]]), FORM, 1), (split(index=[0]), FORM, 1), (split(data=[ROW] * 4, index=["a", 1.5, None, True]), FORM, 4),
        ({"dataframe_split": {"data": [ROW], "index": [0], "columns": list(KINDS)}}, FORM, 1), ({"params": None, **split()}, FORM, 1),
        ({"params": {"predict_method": "predict_proba"}, "instances": [GOOD]}, FORM, 1), ({"inputs": COLUMNS, "parameters": {"p": [{"q": 1.0}]}}, FORM, 2),
        ({"dataframe_records": [GOOD], "params": {}, "parameters": {"p": 1, "predict_method": "predict"}}, FORM, 1),
    ],
    ids=lambda value: str(value)[:90],
)  # fmt: skip
@pytest.mark.parametrize(
    "spelled", [{}, {"separators": (",", ":")}, {"indent": 1}, {"indent": "\t", "ensure_ascii": False}], ids=str
)
def test_every_form_is_taken_however_it_is_spelled(body: Any, form: PayloadForm, rows: int, spelled: Any) -> None:
    if 'quo"ted' in str(body):
        spelled = {"separators": (",", ":")}
    data = json.dumps(body, **spelled).encode()
    for one in (data, b" \r\n" + data + b"\n"):
        checked = take(one)
        assert checked is not None
        assert (checked.payload.form, checked.batch.rows) == (form, rows)


def test_the_columns_of_a_split_that_are_not_the_models_are_counted() -> None:
    checked = take(split([*KINDS, "id", "u:v"], [[*ROW, "10:30", 2**70]]))
    assert checked is not None
    assert checked.payload.table.others.names == {"id", "u:v"}


@pytest.mark.parametrize(
    "body",
    [
        {**GOOD, "n": "1"}, {**GOOD, "n": True}, {**GOOD, "n": 1.5}, {**GOOD, "n": 1.0}, {**GOOD, "n": None}, {**GOOD, "n": 2**53 + 1}, {**GOOD, "n": -(2**53)},
        {**GOOD, "i": 2**31}, {**GOOD, "i": -(2**31) - 1}, {**GOOD, "f": 1}, {**GOOD, "t": 1}, {**GOOD, "x": "2"}, {**GOOD, "x": 2**53 + 1}, {**GOOD, "x": True},
        {**GOOD, "x": [1]}, {n: v for n, v in GOOD.items() if n != "n"}, {}, [{}], [], [GOOD, 1], [1], 1, None, "a", [[GOOD]], [ROW], [GOOD, None],
        {**GOOD, "instances": 1}, {**GOOD, "inputs": 1}, {**GOOD, "instances ": 1}, {**GOOD, "id": 1}, [GOOD, {**GOOD, "id": 1}], {**GOOD, "id": {"n": 1}},
        [GOOD] * 51, {"dataframe_records": [GOOD] * 51}, {"inputs": {name: [value] * 51 for name, value in GOOD.items()}}, split(data=[ROW] * 51),
        {"dataframe_records": GOOD}, {"dataframe_records": []}, {"dataframe_records": None}, {"dataframe_records": [ROW]}, {"dataframe_records": [GOOD, 1]},
        {"dataframe_records": [{**GOOD, "id": [[1]]}]}, {"instances": []}, {"instances": [1]}, {"instances": [GOOD, ROW]}, {"instances": [ROW, GOOD]},
        {"instances": [ROW[1:]]}, {"instances": [[*ROW, 1]]}, {"instances": [ROW, ROW[:-1]]}, {"instances": COLUMNS}, {"instances": [[ROW]]},
        {"inputs": []}, {"inputs": {}}, {"inputs": GOOD}, {"inputs": {**COLUMNS, "n": [1]}}, {"inputs": {**COLUMNS, "t": []}}, {"inputs": [ROW, GOOD]},
        {"inputs": {name: [] for name in KINDS}}, {"inputs": {"t": ["a"]}}, {"inputs": {**COLUMNS, "id": [1, 2]}}, {"inputs": 1}, {"inputs": "a"},
        split([], []), split(data=[]), split(columns=None), split(columns=[*KINDS][1:], data=[ROW[1:-1]]), split(["t"], [["a"]]), split([*KINDS, "t"], [[*ROW, "a"]]),
        split(["n", "n", "i", "ü"], [[1, 1, 3, "a"]]), split([*KINDS, 1], [[*ROW, 1]]), split([*KINDS, "id"], [[*ROW, [1]]]), split([*KINDS, "id"], [[*ROW, {}]]),
        split(data=[ROW, ROW[1:]]), split(data=[GOOD]), split(data=1), split(more=1), split(index={}), split(index=[[1]]), split(index=[]), split(index=[0, 1]), {"dataframe_split": []}, {"dataframe_split": None},
        split([*KINDS, "id"], [ROW]), split([*KINDS, *map(str, range(40))], [ROW + [1] * 40]),
        {**split(), "instances": [GOOD]}, {**split(), "more": 1}, {"dataframe_records": [GOOD], "instances": [GOOD]}, {"params": {}}, {"params": {}, **GOOD},
        {**split(), "params": []}, {**split(), "params": 1}, {**split(), "parameters": {"predict_method": 1}}, {"instances": [GOOD], "params": {"p": [[[[[[[[[1]]]]]]]]]}},
        {"inputs": [{"name": "n", "shape": [1], "datatype": "INT64", "data": [1]}]},
    ],
    ids=lambda value: str(value)[:90],
)  # fmt: skip
def test_whatever_else_comes_is_left_to_the_reporting_decoder(body: Any) -> None:
    assert take(body) is None


NUMBERS = (
    "0", "-0", "1", "9007199254740991", "-9007199254740991", "0.0", "-0.0", "0.1", "1e2", "1E+2", "-1e-2", "5e-324", "1e-400", "0.30000000000000004",
    "123456789012345.67", "0.000000000000000000000001", "2.2250738585072011e-308", "3" * 15 + ".5", "0." + "1" * 50,
)  # fmt: skip
NO_NUMBERS = (
    "", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1.e5", "0x10", "0x1p3", "1_0", "1,5", "Infinity", "-Infinity", "NaN", "nan", "inf", "1e999", "-1e999",
    "9007199254740992", "9007199254740993", "-9007199254740993", "9007199254740993.0", "1e22", "1" * 100, "1" * 5_000, "1." + "1" * 100 + "e", "1e99999999999999999999",
    "1.5.5", "--1", "1-1", "tru", "truex", "nul", "nullx", "{}", "[]", '"', '"a', '"2"', "'a'", "2.5 3",
)  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_a_double_is_the_nearest_one(text: str) -> None:
    assert take(as_bytes(GOOD).replace(b"2.5", text.encode()))


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_or_not_certain_is_left_to_the_reporting_decoder(text: str) -> None:
    assert take(as_bytes(GOOD).replace(b"2.5", text.encode())) is None


DAMAGES = [
    (b'"i": 3', b'"n": 1'), (b'"n": 1', b'"n": 1, "n": 1'), (b'"n": 1', b'"n": 1, "\\u006e": 1'), (b'"n": 1', b'"n": 1, "n" : 1'), (b'"n": 1', b'"n": 1, "n"\n: 1'),
    (b'"n": 1', b'"id": 1, "n": 1, "id": 2'), (b'"n": 1', b'"i\\u0064": 1, "n": 1, "id": 2'), (b'"n": 1', b'"n": 1,'), (b'"n": 1', b'"n" 1'), (b'"n": 1', b'"n":: 1'),
    (b'"n": 1', b"n: 1"), (b'"a"', b'"\xff"'), (b'"a"', b'"\xed\xa0\x80"'), (b'"a"', b'"\xc0\xaf"'), (b'"a"', b'"\xf4\x90\x80\x80"'), (b'"a"', b'"\xe2\x82"'),
    (b'"a"', b'"\x01"'), (b'"a"', b'"\\q"'), (b'"a"', b'"\\ud800"'), (b'"C"', b'"\xff"'), (b'"n": 1', b'"\xff": 1, "n": 1'), (b'"n": 1', b'"id": "\xff", "n": 1'),
    (b'"n": 1', b'"id": "\\", "n": 1'), (b"}", b"},"), (b"}", b"}x"), (b"}", b"}\0"), (b"}", b""), (b"{", b""), (b"{", b"{,"), (b"{", b"\xef\xbb\xbf{"), (b"}", b"]"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), DAMAGES)
@pytest.mark.parametrize(
    "shape", ["%s", "[%s]", '{"dataframe_records": [%s]}', '{"instances": [%s]}', '{"inputs": [%s]}']
)
@pytest.mark.parametrize("record", [GOOD, {name: value for name, value in GOOD.items() if name not in ("x", "a:b")}])
def test_a_body_that_is_not_quite_json_is_left_to_the_reporting_decoder(
    old: bytes, new: bytes, shape: str, record: Any
) -> None:
    """Also where an optional column is absent, whose key then leaves no room for another."""
    good = (shape % json.dumps(record | {"a:b": "C"}, ensure_ascii=False)).encode()
    assert take(good)
    assert old in good
    assert take(new.join(good.rsplit(old, 1))) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"params"', b'"params": {}, "params"'), (b'"p": 1', b'"p": 1, "p": 1'), (b'"p": 1', b'"p": {"q": 1, "q": 1}'), (b'"p": 1', b'"p": [{"q": 1, "\\u0071" : 1}]'),
        (b'"index"', b'"index": [], "index"'), (b'"columns"', b'"columns": [], "columns"'), (b'"data"', b'"data": [], "data"'), (b'"data"', b'"data": [["\xff"]], "data"'),
        (b'"dataframe_split"', b'"dataframe_split": {}, "dataframe_split"'), (b'"dataframe_split"', b'"instances": [], "dataframe_split"'), (b"[0]", b"[0,]"), (b"[0]", b"0"),
    ],
)  # fmt: skip
def test_a_key_twice_in_a_split_or_in_its_params_is_left_to_the_reporting_decoder(old: bytes, new: bytes) -> None:
    good = as_bytes({**split(index=[0]), "params": {"p": 1}})
    assert take(good)
    assert old in good
    assert take(good.replace(old, new, 1)) is None


def test_plain_records_only_where_they_are_taken() -> None:
    assert TWO.take(GOOD, Protocol.INVOCATIONS) is None
    assert TWO.take([GOOD], Protocol.INVOCATIONS) is None
    assert TWO.take(GOOD, Protocol.V2) is None


def test_names_of_every_length_are_told_apart() -> None:
    letters = "abcdefghij" * 4
    words = [letters[:length] for length in range(1, 35)]
    two = TwoDecoders(signature(**dict.fromkeys(words, "string")))
    assert two.take(dict.fromkeys(words, "a"))
    for name in [
        "",
        letters,
        *(word[:place] + "x" + word[place + 1 :] for word in words for place in range(len(word))),
    ]:
        assert two.take({name if word == words[-1] else word: "a" for word in words}) is None, name


def test_a_split_is_read_by_its_own_columns_whatever_came_before() -> None:
    two = TwoDecoders(signature(a="long", b="long"))
    for _ in range(2):
        for columns in (["a", "b"], ["b", "a"], ["a", "c", "b"], ["b", "a", "c"]):
            checked = take(split(columns, [[5, 6, 7][: len(columns)]]), two)
            assert checked is not None
            assert checked.batch.columns["b"].tolist() == [5 + columns.index("b")]
        for body in (
            {"instances": [[1, 2]]},
            {"inputs": {"b": [1], "a": [2]}},
            {"dataframe_records": [{"a": 1, "b": 2}]},
        ):
            assert take(body, two)
        assert take(split(["a", "b"], [[1]]), two) is None


def test_layouts_are_bounded_and_wrong_ones_are_not_kept() -> None:
    two = TwoDecoders(signature(n="long"), Limits(rows=9, columns=2 * MAX_COLUMNS, depth=9))
    for place in range(MAX_LAYOUTS + 2):
        assert take(split(["n", f"c{place}"], [[1, 2]]), two)
    assert 0 < len(two.typed._forms[0].layouts.known) <= MAX_LAYOUTS
    before = dict(two.typed._forms[0].layouts.known)
    for columns, data in (
        (["m"], [[1]]),
        (["n", "n"], [[1, 1]]),
        (["n", *map(str, range(MAX_COLUMNS))], [[1] * (MAX_COLUMNS + 1)]),
    ):
        assert take(split(columns, data), two) is None
    assert two.typed._forms[0].layouts.known == before


def test_no_more_columns_in_a_split_than_the_limit() -> None:
    two = TwoDecoders(signature(n="long"), Limits(rows=9, columns=2, depth=9))
    assert take(split(["n", "a"], [[1, 2]]), two)
    assert take(split(["n", "a", "b"], [[1, 2, 3]]), two) is None


ALL_OPTIONAL = TwoDecoders(signature(a="double?", b="string?"))


@pytest.mark.parametrize("body", [{"a": 1.5}, [{"a": None}, {"b": "x"}], split(["b", "c"], [["x", 1]])])
def test_one_column_of_a_model_without_required_ones_is_enough(body: Any) -> None:
    assert take(body, ALL_OPTIONAL) is not None


@pytest.mark.parametrize("body", [{}, {"c": 1}, [{"a": 1.5}, {}], {"inputs": [{"c": 1}]}, split(["c"], [[1]])])
def test_a_row_without_any_column_is_left_to_the_reporting_decoder(body: Any) -> None:
    ALL_OPTIONAL.typed.learn(ExtraColumns(frozenset({"c"})))
    assert take(body, ALL_OPTIONAL) is None
