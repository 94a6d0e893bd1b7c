from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelserve.core.errors import MalformedRequest, ServeError, TooLarge, UnsupportedMediaType
from modelserve.payloads import csv as text_csv
from modelserve.schema.batch import Table
from signatures import LIMITS, nameless, signature, signature_of, tensor

PAIR = signature(a="long", s="string?")

ROWS: list[tuple[bytes, list[int], list[str | None]]] = [
    (b"a,s\n1,x\n2,y\n", [1, 2], ["x", "y"]),
    (b"a,s\r\n1,x\r\n2,y", [1, 2], ["x", "y"]),
    (b"\xef\xbb\xbfa,s\n1,x\n", [1], ["x"]),
    (b's,a\n"two\nlines, and a ""quote""",1\n', [1], ['two\nlines, and a "quote"']),
    (b'a,s\n1,\n2,""\n', [1, 2], [None, None]),
    (b"a,s\n\n1,x\n\n", [1], ["x"]),
    ("a,s\n1,é\U0001f600\n".encode(), [1], ["é\U0001f600"]),
    (b"a,s\n", [], []),
]

REFUSED: list[tuple[bytes, type[ServeError], str]] = [
    (b"", MalformedRequest, "The CSV body is empty; its first line must name the columns."),
    (b"\n\n", MalformedRequest, "The CSV body is empty; its first line must name the columns."),
    (b"a,s\n1,x\n2\n", MalformedRequest, "CSV row 1 has 1 fields, the header has 2."),
    (b"a,s\n1,x,secret\n", MalformedRequest, "CSV row 0 has 3 fields, the header has 2."),
    (b"a,a\n1,2\n", MalformedRequest, "The CSV header names a column twice."),
    (b'a,s\n1,"open\n', MalformedRequest, "The body is not valid CSV near line 2."),
    (b'a,s\n1,"x"y\n', MalformedRequest, "The body is not valid CSV near line 2."),
    (b"a,s\n1,\xff\n", MalformedRequest, "The body is not valid UTF-8."),
    (b"a,s\n" + b"1,x\n" * 101, TooLarge, "The request has more than 100 rows"),
    # Before it is known what comes behind them.
    (b"a,s\n" + b"1,x\n" * 101 + b'1,"open', TooLarge, "The request has more than 100 rows"),
    (b",".join(b"%d" % n for n in range(51)), TooLarge, "A row has more than 50 columns"),
]


@pytest.mark.parametrize(("data", "a", "s"), ROWS)
def test_rows_are_read_as_the_signatures_types(data: bytes, a: list[int], s: list[str | None]) -> None:
    batch = PAIR.check(text_csv.parse(data, PAIR, LIMITS).table)
    assert (batch.columns["a"].tolist(), batch.columns["s"].tolist()) == (a, s)


@pytest.mark.parametrize(("data", "error", "message"), REFUSED)
def test_what_is_not_csv_says_where(data: bytes, error: type[ServeError], message: str) -> None:
    with pytest.raises(error) as raised:
        text_csv.parse(data, PAIR, LIMITS)
    assert message in raised.value.message
    assert "secret" not in raised.value.message


@pytest.mark.parametrize("mark", [";", "\t"])
def test_another_separator_than_the_comma_is_told_in_one_sentence(mark: str) -> None:
    with pytest.raises(MalformedRequest, match="must be separated by commas"):
        text_csv.parse(f"a{mark}s\n1,5{mark}x\n".encode(), PAIR, LIMITS)
    assert text_csv.parse(f"a,b{mark}c\n1,x\n".encode(), PAIR, LIMITS).table.columns == {"a": [1]}
    odd, first = signature_of([{"name": f"a{mark}s", "type": "long"}]), nameless("long")
    for known in (odd, first):
        assert known.check(text_csv.parse(f"a{mark}s\n1\n".encode(), known, LIMITS).table).rows == 1


def test_other_columns_are_counted_and_missing_ones_left_to_the_check() -> None:
    table = text_csv.parse(b"m,a,n\n0,1,0\n", PAIR, LIMITS).table
    assert (table.columns, len(table.others)) == ({"a": [1]}, 2)


def test_columns_without_names_come_in_their_order() -> None:
    table = text_csv.parse(b"p,q,r\n1,2.5,x\n", nameless("long", "double"), LIMITS).table
    assert (table.columns, len(table.others)) == ({"0": [1], "1": [2.5]}, 1)
    by_name = text_csv.parse(b"1,0\n2.5,1\n", nameless("long", "double"), LIMITS).table
    assert by_name.columns == {"0": [1], "1": [2.5]}


def test_without_a_signature_the_texts_decide() -> None:
    assert text_csv.parse(b"a,s\n1,x\n", None, LIMITS).table.columns == {"a": [1], "s": ["x"]}


def test_tensors_do_not_fit_in_csv() -> None:
    with pytest.raises(UnsupportedMediaType, match="send JSON inputs"):
        text_csv.parse(b"a\n1\n", signature_of([tensor("float64", -1, 2, name="t")]), LIMITS)


def test_the_columns_of_csv_are_the_rows_of_a_nameless_tensor() -> None:
    parsed = text_csv.parse(b"a,b\n1,2.5\n3,4\n", signature_of([tensor("float64", -1, 2)]), LIMITS)
    assert parsed.table == Table({"0": [[1, 2.5], [3, 4.0]]}, 2)


def test_a_nameless_model_keeps_the_names_of_the_header() -> None:
    assert text_csv.parse(b"p,q\n1,x\n", nameless("long", "string"), LIMITS).table.names == ("p", "q")


@given(data=st.text(st.sampled_from('ab1,,\n\n\r\t ;"é\0\x0b\x85\u2028\ufeff'), max_size=24).map(str.encode))
@example(data=b"a,s\r\n1,x\r\n")
@example(data=b"a\n1\n\n2\n")
@example(data=b"a,s\n" + b"1,x\n" * 101)
@example(data=b"a,s\n1," + b"x" * (csv.field_size_limit() + 1))
@example(data=b",".join([b"x"] * 1_001))
@example(data=b"a\n" * 90 + b"," * 910)
@example(data=b"a\n\xff")
@example(data=b"\xef\xbb\xbf\na")
def test_fields_without_quotation_marks_are_split_as_the_general_reader_does(data: bytes) -> None:
    few = replace(LIMITS, cells=1_000)
    if (lines := text_csv.read_unquoted(data, few)) is not None:
        assert lines == text_csv.read_quoted(data, few)


def test_plain_lines_are_split_without_the_general_reader() -> None:
    assert text_csv.read_unquoted(b"a,s\r\n1,\r\n", LIMITS) == [["a", "s"], ["1", ""]]
