from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelserve.core.errors import MalformedRequest
from modelserve.payloads.json import strict as strict_json

VALID = [
    b"{}", b" [1] ", b"null", b'"\\ud83d\\ude00"', b"-0", b"1e-400", b"18446744073709551616", b"-" + b"1" * 4000,
    b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}', b'{"a:b": ":", ":": "::"}', '{"é": "\U0001f600"}'.encode(),
    b'{"\\u0061": 1, "b": 2}',
]  # fmt: skip

REFUSED: list[tuple[bytes, str]] = [
    (b'{"a":1,"a":2}', "An object in the body has the same key twice."),
    (b'{"a" :1,"a"\n: 2}', "An object in the body has the same key twice."),
    (b'{"a": ":", "a": 2}', "An object in the body has the same key twice."),
    (b'{"x": [{"y": {"a": 1, "b:": 2, "a": 1}}]}', "An object in the body has the same key twice."),
    (b'{"a": 1, "\\u0061": 1}', "An object in the body has the same key twice."),
    (b"1" * 5000, "A number in the body is out of range."),
    (b"[1e999]", "A number in the body is out of range."),
    (b"-1e999", "A number in the body is out of range."),
    (b"[NaN]", "NaN and Infinity, as at byte 1, are not JSON; send null for a number that is missing."),
    (b"-Infinity", "NaN and Infinity, as at byte 1, are not JSON; send null for a number that is missing."),
    (b"Nan", "The body is not valid JSON at byte 0."),
    (b'"\\ud800"', "The body is not valid JSON."),
    (b'"\xff"', "The body is not valid UTF-8."),
    (b"\xef\xbb\xbf{}", "The body is not valid JSON at byte 0."),
    (b"", "The body is not valid JSON."),
    (b"[1,]", "The body is not valid JSON at byte 3."),
    (b"{}{}", "The body is not valid JSON at byte 3."),
    (b'"a\x00"', "The body is not valid JSON at byte 2."),
    (b"'a'", "The body is not valid JSON at byte 0."),
    (b"[" * 10_000 + b"]" * 10_000, "The body is nested deeper than 32 levels."),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "The body is nested deeper than 32 levels."),
]


@pytest.mark.parametrize("data", VALID)
def test_what_is_valid_decodes_as_the_standard_library_does(data: bytes) -> None:
    assert strict_json.decode(data, 32) == json.loads(data)


@pytest.mark.parametrize(("data", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_rfc_8259_or_ambiguous_is_malformed(data: bytes, message: str) -> None:
    with pytest.raises(MalformedRequest) as raised:
        strict_json.decode(data, 32)
    assert raised.value.message == message


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_deepest_nesting_is_the_limit(opening: bytes, closing: bytes) -> None:
    strict_json.decode(opening * 5 + b"0" + closing * 5, 5)
    with pytest.raises(MalformedRequest, match="deeper than 5 levels"):
        strict_json.decode(opening * 7 + b"0" + closing * 7, 5)


def test_integers_keep_every_digit_both_ways() -> None:
    digits = b"[123456789012345678901234567890,-9223372036854775809]"
    assert strict_json.encode(strict_json.decode(digits, 32)) == digits


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200)
@given(VALUES, st.booleans(), st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_whatever_is_dumped_decodes_to_the_same(
    value: Any, ascii_only: bool, indent: int | None, separators: tuple[str, str]
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
    assert strict_json.decode(text.encode(), 100) == value


@settings(max_examples=300)
@given(st.text('[]{}:,"\\aeEu0123.+- \ntrfalsn', max_size=20))
def test_validity_agrees_with_the_standard_library(text: str) -> None:
    found, expected = outcome(strict_json.decode, text.encode(), 32), outcome(standard, text)
    assert found == expected or found == "A number in the body is out of range."


def standard(text: str) -> Any:
    return json.loads(text, object_pairs_hook=strict_json.unique)


def outcome(decode: Callable[..., Any], *args: Any) -> Any:
    """The value, "invalid", or why a number was refused."""
    try:
        return [decode(*args)]
    except MalformedRequest as error:
        return error.message if "out of range" in error.message else "invalid"
    except ValueError:
        return "invalid"


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"1", 1),
        (b'{"a": [1, 2], "b": {}}', 6),
        (b'{"a,[{": "\\\\\\",[{"}', 2),
        (b'["a", "\\\\", 1, 2]', 5),
        (b'"never ends,,,', 4),
    ],
)
def test_values_are_counted_without_decoding_and_signs_in_texts_are_none(data: bytes, count: int) -> None:
    assert strict_json.count_values(data, enough=0) == count


def test_what_is_surely_few_is_not_looked_at_closely() -> None:
    assert strict_json.count_values(b'",,,"', enough=4) == 4
