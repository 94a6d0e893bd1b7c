from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from modelserve.core.errors import InvalidParams, SignatureMismatch, VersionUnusable
from modelserve.schema.batch import Batch, Table, concatenate, one_row
from modelserve.schema.extra_columns import ExtraColumns
from modelserve.schema.signature import MAX_DETAILS, from_mlmodel, infer, infer_text, warn_of_similar
from modelserve.schema.types import MISSING
from signatures import bad_cells, nameless, signature, signature_of, table, tensor


def test_all_bad_cells_are_reported_together_and_no_value_is_repeated() -> None:
    both = signature(a="long", b="boolean", c="double")
    with pytest.raises(SignatureMismatch) as raised:
        both.check(table(a=[1.7, 1, 2**70], b=["secret", True, None]))
    assert [tuple(detail.values()) for detail in raised.value.details] == [
        (0, "a", "has a fraction, needs long"),
        (2, "a", "out of range for long"),
        (0, "b", "a string, needs boolean"),
        (2, "b", "null in a required column"),
        (None, "c", "a required column is missing"),
    ]
    assert raised.value.message == "5 cells do not fit the model's signature."
    assert "secret" not in str(raised.value.details)


def test_the_list_of_bad_cells_ends_at_its_cap_and_counts_the_others() -> None:
    with pytest.raises(SignatureMismatch, match=r"^1500 cells do not fit .*; the first 1000 are listed\.$") as raised:
        signature(x="long").check(table(x=["no"] * 1500))
    assert len(raised.value.details) == MAX_DETAILS


def test_one_bad_cell_is_one() -> None:
    with pytest.raises(SignatureMismatch, match=r"^1 cell does not fit"):
        signature(x="long").check(table(x=[None]))


def test_a_cell_that_only_some_records_lack_is_missing_there() -> None:
    assert bad_cells(lambda: signature(x="long").check(table(x=[1, MISSING]))) == [(1, "x", "missing")]
    assert bad_cells(lambda: signature(x="long").check(table(x=[MISSING, MISSING]))) == [
        (None, "x", "a required column is missing")
    ]


OPTIONAL = signature_of([{"name": name, "type": "double", "required": False} for name in ("trip_distance", "fare")])
NOTHING = "none of the model's columns is there"


def test_a_row_without_any_column_of_the_model_is_refused_even_if_all_are_optional() -> None:
    rows = table(trip_distance=[1.5, MISSING, MISSING], fare=[MISSING, MISSING, None])
    assert bad_cells(lambda: OPTIONAL.check(rows)) == [(1, None, NOTHING)]
    assert bad_cells(lambda: OPTIONAL.check(Table({}, 2))) == [(None, None, NOTHING)]
    assert bad_cells(lambda: OPTIONAL.check(Table({}, 0))) == [(None, None, NOTHING)]
    null = OPTIONAL.check(table(fare=[None]))
    assert [array.tolist() for array in null.columns.values()] == [[pytest.approx(np.nan, nan_ok=True)]] * 2


def test_a_misspelt_optional_column_is_hinted_at_as_a_required_one_is(caplog: pytest.LogCaptureFixture) -> None:
    others = ExtraColumns(frozenset({"tripDistance"}))
    hint = "an optional column is missing; one with a similar name is there"
    nothing = Table({}, 1, others)
    assert bad_cells(lambda: OPTIONAL.check(nothing)) == [(None, None, NOTHING), (None, "trip_distance", hint)]
    logging.getLogger("modelserve").propagate = True
    warn_of_similar.cache_clear()
    for _ in range(2):
        OPTIONAL.check(Table({"fare": [1.0]}, 1, others))
    assert [record.message for record in caplog.records] == [
        "the optional column trip_distance is missing, and one with a similar name is there, which is ignored"
    ]
    OPTIONAL.check(Table({"fare": [1.0]}, 1, ExtraColumns(frozenset({"tip"}))))
    assert len(caplog.records) == 1


def test_columns_come_in_the_order_of_the_signature() -> None:
    batch = signature(b="long", a="long").check(table(a=[1], b=[2]))
    assert list(batch.columns) == ["b", "a"]


def test_columns_without_names_are_called_by_their_places() -> None:
    made = nameless("double", "string")
    assert (made.names, made.named, made.tensors) == (("0", "1"), False, False)
    assert signature_of([tensor("float64", -1, 2)]).tensors


def test_older_signatures_say_optional() -> None:
    made = signature_of([{"name": "x", "type": "double", "optional": True}])
    assert not made.columns[0].required


PARAMS: list[dict[str, Any]] = [
    {"name": "factor", "type": "double", "default": 2.0, "shape": None},
    {"name": "stops", "type": "string", "default": ["."], "shape": [-1]},
    {"name": "seed", "type": "long", "default": None, "shape": None},
    {"name": "odd", "type": "object", "default": {}, "properties": {}},
    {"name": "since", "type": "datetime", "default": "2024-01-02T03:04:05", "shape": None},
    {"name": "days", "type": "datetime", "default": [], "shape": [-1]},
]


DATES = {"since": datetime(2024, 1, 2, 3, 4, 5), "days": []}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"factor": 2.0, "stops": ["."], "seed": None, "odd": {}, **DATES}),
        (
            {"factor": 3, "stops": ["a", "b"], "seed": 7},
            {"factor": 3.0, "stops": ["a", "b"], "seed": 7, "odd": {}, **DATES},
        ),
        ({"seed": None, "odd": [1]}, {"factor": 2.0, "stops": ["."], "seed": None, "odd": [1], **DATES}),
    ],
)
def test_params_are_checked_and_get_their_defaults(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert signature_of([{"name": "x", "type": "long"}], PARAMS).check_params(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"factor": "secret"}, "The param factor does not fit: a string, needs double."),
        ({"seed": 1.5}, "The param seed does not fit: has a fraction, needs long."),
        ({"stops": "secret"}, "The param stops does not fit: needs an array."),
        ({"factor": None}, "The param factor does not fit: is null."),
        ({"stops": None}, "The param stops does not fit: is null."),
        ({"stops": ["a", 1]}, "The param stops does not fit: an integer, needs string."),
        ({"secret": 1}, "1 params are not in the model's signature; it has factor, stops, seed, odd, since, days."),
    ],
)
def test_a_param_that_does_not_fit_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParams) as raised:
        signature_of([{"name": "x", "type": "long"}], PARAMS).check_params(given)
    assert raised.value.message == message


def test_datetime_params_are_those_of_python() -> None:
    given = {"since": "2024-05-01T12:00:00+02:00", "days": ["2024-05-01"]}
    found = signature_of([{"name": "x", "type": "long"}], PARAMS).check_params(given)
    assert (found["since"], found["days"]) == (datetime(2024, 5, 1, 10), [datetime(2024, 5, 1)])
    assert type(found["since"]) is datetime


def test_a_model_without_params_says_so() -> None:
    with pytest.raises(InvalidParams, match="it has none besides predict_method"):
        signature(x="long").check_params({"k": 1})


def test_texts_are_read_by_type_and_checked_later() -> None:
    parsed = signature(x="long", s="string").parse_text(
        {"x": ["7", "x"], "s": ["7", ""]}, 2, ExtraColumns(frozenset({"z"}))
    )
    assert parsed == Table({"x": [7, "x"], "s": ["7", None]}, 2, ExtraColumns(frozenset({"z"})))


@pytest.mark.parametrize("raw", [None, {}, {"inputs": None}, {"inputs": "[]"}, {"outputs": "[]"}, {"inputs": "null"}])
def test_no_inputs_mean_no_signature(raw: Any) -> None:
    assert from_mlmodel(raw) is None


def test_a_signature_may_be_decoded_already() -> None:
    made = from_mlmodel({"inputs": [{"name": "x", "type": "long"}], "outputs": None, "params": None})
    assert made is not None
    assert made.names == ("x",)
    assert made.raw["inputs"] == [{"name": "x", "type": "long"}]


HOSTILE = [
    "{", "5", '"x"', "true", "[1]", '["x"]', "[null]", '{"a": 1}', '[{"name": "x"}]', '[{"name": "x", "type": "tab"}]',
    '[{"name": "x", "type": []}]', '[{"name": "x", "type": null}]', '[{"name": "x", "type": "array"}]',
    '[{"name": "x", "type": "object", "properties": []}]', '[{"name": "x", "type": "object", "properties": {"a": 1}}]',
    '[{"name": "x", "type": "map", "values": "long"}]', '[{"type": "tensor"}]',
    '[{"type": "tensor", "tensor-spec": {"dtype": "nonsense", "shape": [-1]}}]',
    '[{"type": "tensor", "tensor-spec": {"dtype": "complex128", "shape": [-1]}}]',
    '[{"type": "tensor", "tensor-spec": {"dtype": "i4,i4", "shape": [-1]}}]',
    '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": null}}]',
    '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, "2"]}}]',
    '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, 2.5]}}]',
    '[{"name": "x", "type": "long"}, {"type": "long"}]', "[" * 100_000, "9" * 5_000,
    '[{"name": "x", "type": ' + '{"type": "array", "items": ' * 2 + '"long"}}}]',
    json.dumps([json.loads('{"type": "array", "items": ' * 400 + '{"type": "tab"}' + "}" * 400)]),
]  # fmt: skip


@pytest.mark.parametrize("inputs", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_signature_refuses_the_version(inputs: str) -> None:
    with pytest.raises(VersionUnusable, match="The signature in MLmodel has a form this server does not know"):
        from_mlmodel({"inputs": inputs})


@pytest.mark.parametrize("params", ["5", "[1]", '[{"type": "long"}]', '[{"name": "x", "type": []}]'])
def test_hostile_params_refuse_the_version(params: str) -> None:
    with pytest.raises(VersionUnusable):
        from_mlmodel({"inputs": '[{"name": "x", "type": "long"}]', "params": params})


INFERRED: list[tuple[list[Any], str]] = [
    ([1, 2], "int64"),
    ([1, None, MISSING], "float64"),
    ([1, 2.5], "float64"),
    ([True, False], "bool"),
    ([True, None], "object"),
    (["a", "b"], "object"),
    ([b"a"], "object"),
    ([1, "a"], "object"),
    ([None, None], "object"),
    ([[1], [2]], "object"),
    ([np.datetime64("2024-01-01", "ns"), None], "datetime64[ns]"),
]


@pytest.mark.parametrize(("values", "dtype"), INFERRED)
def test_without_a_signature_the_values_decide_the_type(values: list[Any], dtype: str) -> None:
    column = infer(table(c=values)).columns["c"]
    assert column.dtype == dtype
    assert column.shape == (len(values),)


def test_without_a_signature_nothing_is_lost_either() -> None:
    assert bad_cells(lambda: infer(table(c=[2**53 + 1, 0.5]))) == [
        (0, "column 0", "a whole number that double cannot keep exactly")
    ]
    assert bad_cells(lambda: infer(table(c=[1], secret=[2**70]))) == [(0, "column 1", "out of range for long")]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1", "2.0", ""], [1, 2, None]),
        (["1", "2.5", "nan"], [1, 2.5, None]),
        (["true", "FALSE"], [True, False]),
        (["1", "true"], ["1", "true"]),
        (["a", ""], ["a", None]),
        ([], []),
    ],
)
def test_texts_without_a_signature_are_numbers_where_all_are(texts: list[str], values: list[Any]) -> None:
    assert infer_text({"c": texts}, len(texts)).columns["c"] == values


def test_batches_are_joined_in_order_and_cut_by_row() -> None:
    one, two = (signature(x="long", s="string").check(table(x=x, s=s)) for x, s in (([1], ["a"]), ([2, 3], ["b", "c"])))
    joined = concatenate([one, two])
    assert (joined.rows, joined.columns["x"].tolist(), joined.columns["s"].tolist()) == (3, [1, 2, 3], ["a", "b", "c"])
    assert concatenate([one]) is one
    cut = one_row(joined, 1)
    assert (cut.rows, cut.columns["x"].tolist(), cut.columns["s"].tolist()) == (1, [2], ["b"])
    assert isinstance(cut, Batch)
