"""Bodies made to look right to the short way in, and bodies made to teach it what costs others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelserve.payloads import Limits
from modelserve.payloads.typed import TypedDecoder
from modelserve.signature import Signature, from_mlmodel

LIMITS = Limits(rows=50, columns=20, depth=10)


def signature(*names: str) -> Signature:
    made = from_mlmodel({"inputs": [{"name": name, "type": "string"} for name in names]})
    assert made is not None
    return made


def test_a_key_whose_colon_is_escaped_hides_no_key_that_came_twice() -> None:
    decoder = TypedDecoder(signature("a:b", "x"), LIMITS)
    assert decoder.decode(rb'{"a:b": "1", "x": "2"}', plain=True) is not None
    assert decoder.decode(rb'{"a\u003ab": "1", "x": "2", "x": "3"}', plain=True) is None


def test_an_extra_column_whose_colon_is_escaped_hides_no_key_that_came_twice() -> None:
    decoder = TypedDecoder(signature("x"), LIMITS)
    decoder.learn(b'{"x": "1", "e:e": 2}')
    assert decoder.decode(rb'{"x": "1", "e\u003ae": 2, "x": "3"}', plain=True) is None


@pytest.mark.parametrize("form", ["inputs", "instances", "dataframe_records", "dataframe_split"])
def test_an_extra_column_that_is_called_as_a_form_is_no_column_of_one_record(form: str) -> None:
    decoder = TypedDecoder(signature("x"), LIMITS)
    decoder.learn(json.dumps([{"x": "1", form: 2}]).encode())  # taken as an extra column: a list is no form
    assert decoder.decode(json.dumps({"x": "1", form: 2}).encode(), plain=True) is None


def test_a_new_set_of_extra_columns_shares_the_types_of_the_categories() -> None:
    categories = {"x": {f"category {place}": chr(place) for place in range(3)}}
    decoder = TypedDecoder(signature("x"), LIMITS, categories)
    decoder.learn(b'{"x": "category 1", "id": 2}')
    learned, known = (cell_types(decoder, b'{"x": "category 1"%s}' % more) for more in (b', "id": 2', b""))
    assert learned == known


def cell_types(decoder: TypedDecoder, data: bytes) -> Any:
    typed = decoder.decode(data, plain=True)
    assert typed is not None
    assert typed.coded
    return type(typed.records[0].c0)


def test_no_more_is_kept_of_what_is_learned_than_the_names_of_a_small_body() -> None:
    decoder = TypedDecoder(signature("x"), LIMITS)
    known = len(decoder.shapes)
    decoder.learn(json.dumps({"x": "1", "e" * 1_000_000: 2}).encode())
    assert len(decoder.shapes) == known


def test_the_same_extra_columns_in_another_order_are_nothing_new() -> None:
    decoder = TypedDecoder(signature("x"), LIMITS)
    known = len(decoder.shapes)
    decoder.learn(b'{"x": "1", "a": [], "b": 2}')
    decoder.learn(b'{"x": "1", "b": 2, "a": []}')
    assert len(decoder.shapes) == known + 1
