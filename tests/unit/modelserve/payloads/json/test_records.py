from __future__ import annotations

from typing import Any

import pytest

from modelserve.core.errors import InvalidParams, MalformedRequest, TooLarge
from modelserve.payloads import PayloadForm
from modelserve.payloads.json import records as plain
from signatures import LIMITS, nameless, signature, signature_of, tensor

PAIR = signature(a="long", s="string?")


@pytest.mark.parametrize(
    ("value", "columns", "single"),
    [
        ({"a": 1, "s": "x"}, {"a": [1], "s": ["x"]}, True),
        ([{"a": 1, "s": "x"}], {"a": [1], "s": ["x"]}, False),
        ([[1, "x"]], {"a": [1], "s": ["x"]}, False),
        ([], {"a": [], "s": []}, False),
    ],
)
def test_one_record_gives_one_result_and_a_list_a_list(value: Any, columns: Any, single: bool) -> None:
    payload = plain.parse(value, PAIR, LIMITS)
    assert {name: list(cells) for name, cells in payload.table.columns.items()} == columns
    assert payload.form is (PayloadForm.RECORD if single else PayloadForm.RECORDS)


@pytest.mark.parametrize(("value", "cells"), [({"k": 1}, [{"k": 1}]), ([{"k": 1}, {"k": 2}], [{"k": 1}, {"k": 2}])])
def test_a_model_of_nameless_objects_takes_each_object_as_a_value(value: Any, cells: list[Any]) -> None:
    payload = plain.parse(value, nameless("any"), LIMITS)
    assert (payload.table.columns, payload.form is PayloadForm.RECORD) == ({"0": cells}, type(value) is dict)


@pytest.mark.parametrize("value", [5, "text", None, True])
def test_anything_but_records_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedRequest, match="The body must be a record"):
        plain.parse(value, PAIR, LIMITS)


def test_a_query_is_one_record_read_by_the_signatures_types() -> None:
    pairs = [("a", "7"), ("s", "7"), ("other", "1"), ("predict_method", "predict_proba")]
    payload = plain.parse_query(pairs, PAIR, LIMITS)
    assert (payload.table.columns, len(payload.table.others)) == ({"a": [7], "s": ["7"]}, 1)
    assert (payload.method, payload.form) == ("predict_proba", PayloadForm.RECORD)


def test_an_empty_query_value_is_null() -> None:
    batch = PAIR.check(plain.parse_query([("a", "7"), ("s", "")], PAIR, LIMITS).table)
    assert batch.columns["s"].tolist() == [None]


def test_without_a_signature_the_texts_decide() -> None:
    payload = plain.parse_query([("a", "7"), ("b", "0.5"), ("c", "x")], None, LIMITS)
    assert payload.table.columns == {"a": [7], "b": [0.5], "c": ["x"]}


def test_a_column_that_comes_twice_is_ambiguous() -> None:
    with pytest.raises(MalformedRequest, match="A column is given twice"):
        plain.parse_query([("a", "1"), ("a", "2")], PAIR, LIMITS)


def test_tensors_have_no_form_as_a_query() -> None:
    with pytest.raises(InvalidParams, match="POST them as inputs"):
        plain.parse_query([("a", "1")], signature_of([tensor("float64", -1, 2)]), LIMITS)


def test_a_query_of_too_many_columns_is_too_large() -> None:
    with pytest.raises(TooLarge, match="50 columns"):
        plain.parse_query([(str(n), "1") for n in range(51)], PAIR, LIMITS)
