from __future__ import annotations

from typing import Any

import pytest

from modelserve.core.errors import InvalidParams, MalformedRequest, ServeError, TooLarge
from modelserve.payloads import Limits, PayloadForm
from modelserve.payloads.json import mlflow as invocations
from modelserve.schema.signature import Signature
from signatures import LIMITS, nameless, signature, signature_of, tensor

PAIR = signature(a="long", s="string")
ROWS: dict[str, list[Any]] = {"a": [1, 2], "s": ["x", "y"]}
RECORDS = [{"a": 1, "s": "x"}, {"a": 2, "s": "y"}]
LISTS = [[1, "x"], [2, "y"]]
TENSOR = signature_of([tensor("float64", -1, 2)])
NAMED = signature_of([tensor("float64", -1, 2, name="t"), tensor("int64", -1, name="n")])
ARRAYS = signature_of([{"type": "array", "items": {"type": "long"}}])
NESTED = signature_of([{"name": "c", "type": "array", "items": {"type": "long"}}])
ANY = nameless("any")

SAME: list[tuple[Signature | None, Any, dict[str, list[Any]]]] = [
    (PAIR, {"dataframe_split": {"columns": ["a", "s"], "data": LISTS}}, ROWS),
    (PAIR, {"dataframe_split": {"columns": ["s", "a"], "index": [7, 8], "data": [["x", 1], ["y", 2]]}}, ROWS),
    (PAIR, {"dataframe_split": {"data": LISTS}}, ROWS),
    (PAIR, {"dataframe_records": RECORDS}, ROWS),
    (PAIR, {"instances": RECORDS}, ROWS),
    (PAIR, {"instances": LISTS}, ROWS),
    (PAIR, {"inputs": ROWS}, ROWS),
    (PAIR, {"inputs": LISTS}, ROWS),
    (PAIR, {"inputs": RECORDS}, ROWS),
    (PAIR, {"inputs": {"a": 1, "s": "x"}}, {"a": [1], "s": ["x"]}),
    (signature(a="long"), {"instances": [1, 2]}, {"a": [1, 2]}),
    (signature(a="long"), {"inputs": 5}, {"a": [5]}),
    (nameless("long", "string"), {"instances": LISTS}, {"0": [1, 2], "1": ["x", "y"]}),
    (nameless("long", "string"), {"dataframe_split": {"columns": ["p", "q"], "data": LISTS}}, {"0": [1, 2], "1": ["x", "y"]}),
    (nameless("long"), {"dataframe_split": {"columns": [0], "data": [[1]]}}, {"0": [1]}),
    (None, {"instances": LISTS}, {"0": [1, 2], "1": ["x", "y"]}),
    (None, {"instances": [1, 2]}, {"0": [1, 2]}),
    (None, {"inputs": ROWS}, ROWS),
    (None, {"dataframe_split": {"columns": ["a"], "data": [[1]]}}, {"a": [1]}),
    (TENSOR, {"inputs": [[1, 2], [3, 4]]}, {"0": [[1, 2], [3, 4]]}),
    (TENSOR, {"instances": [[1, 2]]}, {"0": [[1, 2]]}),
    (TENSOR, {"dataframe_split": {"columns": [0, 1], "index": [0], "data": [[1, 2]]}}, {"0": [[1, 2]]}),
    (TENSOR, {"dataframe_records": [{"b": 1, "a": 2}, {"a": 4, "b": 3}]}, {"0": [[1, 2], [3, 4]]}),
    (TENSOR, {"instances": [{"b": 1, "a": 2}]}, {"0": [[1, 2]]}),
    (signature_of([tensor("float64", -1)]), {"dataframe_records": [{"b": 1}, {"b": 2}]}, {"0": [1, 2]}),
    (nameless("long", "string"), {"dataframe_records": [{"p": 1, "q": "x"}, {"q": "y", "p": 2}]}, {"0": [1, 2], "1": ["x", "y"]}),
    (PAIR, {"instances": ROWS}, ROWS),
    (PAIR, {"instances": {"a": 1, "s": "x"}}, {"a": [1], "s": ["x"]}),
    (NAMED, {"inputs": {"t": [[1, 2]], "n": [5]}}, {"t": [[1, 2]], "n": [5]}),
    (NAMED, {"instances": [{"t": [1, 2], "n": 5}]}, {"t": [[1, 2]], "n": [5]}),
    (ARRAYS, {"inputs": [[1, 2], [3]]}, {"0": [[1, 2], [3]]}),
    (ARRAYS, {"dataframe_split": {"data": [[[1, 2]], [[3]]]}}, {"0": [[1, 2], [3]]}),
    (NESTED, {"inputs": {"c": [1, 2]}}, {"c": [[1, 2]]}),
    (NESTED, {"instances": [{"c": [1, 2]}]}, {"c": [[1, 2]]}),
    (ANY, {"inputs": [{"k": 1}, {"k": 2}]}, {"0": [{"k": 1}, {"k": 2}]}),
    (ANY, {"inputs": {"k": 1}}, {"0": [{"k": 1}]}),
]  # fmt: skip

EMPTY = [
    {"dataframe_split": {"columns": ["a", "s"], "data": []}},
    {"dataframe_split": {"data": []}},
    {"dataframe_records": []},
    {"instances": []},
    {"inputs": []},
    {"inputs": {"a": [], "s": []}},
]

REFUSED: list[tuple[Any, type[ServeError], str]] = [
    ([], MalformedRequest, "The body must be an object with exactly one of dataframe_split, dataframe_records, instances, inputs; it has 0."),
    ({}, MalformedRequest, "it has 0."),
    ({"instances": [], "inputs": []}, MalformedRequest, "it has 2."),
    ({"instances": [], "secret": 1}, MalformedRequest, "Beside instances only params or parameters may stand."),
    ({"instances": [], "params": 5}, InvalidParams, "params must be an object."),
    ({"instances": [], "params": []}, InvalidParams, "params must be an object."),
    ({"instances": [], "params": 0}, InvalidParams, "params must be an object."),
    ({"instances": [], "parameters": ""}, InvalidParams, "parameters must be an object."),
    ({"instances": [], "parameters": {"predict_method": 5}}, InvalidParams, "predict_method must be a string."),
    ({"instances": 5}, MalformedRequest, "instances must be a list, one item per row, or an object of columns."),
    *(({name: [], "temperature": 1}, MalformedRequest, f"A body with {name} alone is not taken here; post it to /predict as a record.") for name in ("messages", "prompt", "input")),
    *(({"dataframe_split": {"columns": ["a", "s"], "index": index, "data": [[1, "x"]]}}, MalformedRequest, "The index of dataframe_split must be a list with one entry for each row of data.") for index in ([], [1, 2], 0, "a")),
    ({"instances": [1]}, MalformedRequest, "Row 0 is not a list of 2 values, one per column."),
    ({"instances": [[1, "x"], [1]]}, MalformedRequest, "Row 1 is not a list of 2 values, one per column."),
    ({"instances": [{"a": 1}, 5]}, MalformedRequest, "Record 1 is not an object."),
    ({"inputs": {"a": [1, 2], "s": ["x"]}}, MalformedRequest, "The columns are not lists of one length."),
    ({"inputs": {}}, MalformedRequest, "The columns are not lists of one length."),
    ({"dataframe_records": {}}, MalformedRequest, "dataframe_records must be a list of objects."),
    ({"dataframe_records": [[1]]}, MalformedRequest, "Record 0 is not an object."),
    ({"dataframe_split": []}, MalformedRequest, "dataframe_split must be an object with data"),
    ({"dataframe_split": {"data": 1}}, MalformedRequest, "dataframe_split must be an object with data"),
    ({"dataframe_split": {"data": [], "dtypes": []}}, MalformedRequest, "dataframe_split takes columns, index and data."),
    ({"dataframe_split": {"data": [], "columns": "a"}}, MalformedRequest, "The columns of dataframe_split must be a list of names."),
    ({"dataframe_split": {"data": [], "columns": [None]}}, MalformedRequest, "The columns of dataframe_split must be a list of names."),
    ({"dataframe_split": {"data": [[1, 2]], "columns": ["a", "a"]}}, MalformedRequest, "A column is named twice."),
    ({"dataframe_split": {"data": [1], "columns": ["a"]}}, MalformedRequest, "Row 0 is not a list of 1 values, one per column."),
    ({"instances": [RECORDS[0]] * 101}, TooLarge, "The request has more than 100 rows, the limit that MAX_ROWS sets; use `modelserve score` for a batch."),
    ({"inputs": {"a": [1] * 101, "s": [1] * 101}}, TooLarge, "The request has more than 100 rows"),
    ({"instances": [{str(n): 0 for n in range(51)}]}, TooLarge, "A row has more than 50 columns, the limit that MAX_COLUMNS sets; use `modelserve score` for a batch."),
    ({"dataframe_split": {"data": [], "columns": list(range(51))}}, TooLarge, "A row has more than 50 columns, the limit that MAX_COLUMNS sets; use `modelserve score` for a batch."),
]  # fmt: skip


@pytest.mark.parametrize(("known", "value", "columns"), SAME)
def test_each_form_gives_the_same_columns(known: Signature | None, value: Any, columns: dict[str, list[Any]]) -> None:
    payload = invocations.parse(value, known, LIMITS)
    assert {name: list(cells) for name, cells in payload.table.columns.items()} == columns
    assert (payload.table.rows, len(payload.table.others)) == (len(next(iter(columns.values()))), 0)
    assert (payload.params, payload.method, payload.form) == ({}, None, PayloadForm.INVOCATION)
    if known:
        known.check(payload.table)


@pytest.mark.parametrize("value", EMPTY)
def test_no_rows_are_no_error(value: Any) -> None:
    batch = PAIR.check(invocations.parse(value, PAIR, LIMITS).table)
    assert (batch.rows, [len(column) for column in batch.columns.values()]) == (0, [0, 0])


@pytest.mark.parametrize(("value", "error", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_body_of_no_form_says_what_it_should_be(value: Any, error: type[ServeError], message: str) -> None:
    with pytest.raises(error) as raised:
        invocations.parse(value, PAIR, LIMITS)
    assert message in raised.value.message
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    "value",
    [
        {"instances": [{"a": 1, "s": "x", "m": 0}, {"a": 2, "s": "y", "n": 0}]},
        {"inputs": {"a": [1], "s": ["x"], "m": [0], "n": [0]}},
        {"dataframe_split": {"columns": ["m", "a", "n", "s"], "data": [[0, 1, 0, "x"]]}},
    ],
)
def test_columns_beside_the_signatures_are_counted_and_left_out(value: Any) -> None:
    table = invocations.parse(value, PAIR, LIMITS).table
    assert (sorted(table.columns), len(table.others)) == (["a", "s"], 2)


@pytest.mark.parametrize("option", ["params", "parameters"])
def test_the_method_is_taken_from_the_params(option: str) -> None:
    payload = invocations.parse({"instances": [], option: {"predict_method": "p", "k": 1}}, PAIR, LIMITS)
    assert (payload.method, payload.params) == ("p", {"k": 1})


def test_several_tensors_need_names() -> None:
    with pytest.raises(MalformedRequest, match="The model takes named tensors: t, n"):
        invocations.parse({"inputs": [[1, 2]]}, NAMED, LIMITS)


def test_a_record_with_a_column_of_a_forms_name_is_a_record() -> None:
    assert invocations.is_form({"inputs": 1}, None)
    assert not invocations.is_form({"inputs": 1}, signature(inputs="long"))
    assert not invocations.is_form([{"inputs": 1}], None)
    assert not invocations.is_form({"a": 1}, PAIR)


def test_the_limits_are_inclusive() -> None:
    assert invocations.parse({"instances": [1] * 3}, None, Limits(3, 1, 9)).table.rows == 3


NAMELESS = nameless("long", "string")


@pytest.mark.parametrize(
    ("known", "body", "names"),
    [
        (NAMELESS, {"dataframe_records": [{"p": 1, "q": "x"}]}, ("p", "q")),
        (NAMELESS, {"dataframe_split": {"columns": ["p", "q", "r"], "data": [[1, "x", 2]]}}, ("p", "q")),
        (NAMELESS, {"inputs": {"p": [1], "q": ["x"]}}, ("p", "q")),
        (NAMELESS, {"dataframe_split": {"columns": [0, 1], "data": [[1, "x"]]}}, ()),
        (NAMELESS, {"dataframe_records": [{"p": 1}]}, ()),
        (NAMELESS, {"instances": [[1, "x"]]}, ()),
        (TENSOR, {"dataframe_records": [{"p": 1, "q": 2}]}, ()),
        (PAIR, {"dataframe_records": RECORDS}, ()),
    ],
)
def test_names_that_a_model_does_not_have_are_kept_for_it(known: Signature, body: Any, names: tuple[str, ...]) -> None:
    assert invocations.parse(body, known, LIMITS).table.names == names
