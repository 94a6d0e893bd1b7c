from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserve_control.local.pubsub.topics.errors import BadInput
from modelserve_control.local.pubsub.topics.filters import parse

MESSAGES = {"1": {"author": "unknown", "a": "x"}, "2": {"author": "me"}, "3": dict[str, str]()}

FILTERS = {
    'attributes.author="unknown"': "1",
    "attributes:author": "12",
    "NOT attributes:author": "3",
    "-attributes:author": "3",
    "NOT NOT attributes:author": "12",
    "NOT(attributes:author)": "3",
    'hasPrefix(attributes.author, "un")': "1",
    'hasPrefix ( attributes . author , "" )': "12",
    'hasPrefix(attributes.author,"m") OR attributes.a = "x"': "12",
    'attributes.author = "me" AND NOT attributes:a': "2",
    'attributes.author != "me"': "13",
    'NOT attributes.author != "me"': "2",
    'attributes."author" = "me"': "2",
    'attributes:"author"': "12",
    r'attributes.author = "\x6d\u0065"': "2",
    r'attributes.author = "m\"e"': "",
    '(attributes:author) AND (attributes:a OR attributes.author="me")': "12",
    "attributes:a OR attributes:b OR attributes:author": "12",
    "attributes:author AND NOT attributes:a AND attributes:author": "2",
    'attributes.a-b = "x"': "",
}


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_lets_its_messages_through(text: str) -> None:
    matches = parse(text)
    assert matches is not None
    assert [number for number, attributes in MESSAGES.items() if matches(attributes)] == list(FILTERS[text])


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_filter_is_none(text: str) -> None:
    assert parse(text) is None


WRONG = {
    "junk": "from character 1 on",
    "attributes.author = me": "from character 1 on",
    "attributes.author = 'me'": "from character 1 on",
    "attributes:author attributes:a": "from character 18 on",
    'attributes.author="me" or attributes:a': "from character 23 on",
    "attributes:author AND": "from character 22 on",
    "(attributes:author": "from character 19 on",
    "attributes:author)": "from character 18 on",
    "attributes:*": "from character 1 on",
    'attributes.author > "a"': "from character 1 on",
    'hasprefix(attributes.author, "m")': "from character 1 on",
    "hasPrefix(attributes.author)": "from character 1 on",
    'attributes.iana.org/language = "x"': "from character 1 on",
    'data = "x"': "from character 1 on",
    "attributes:a AND attributes:b OR attributes:c": "needs parentheses",
    'attributes.a = "\\x"': "escapes cannot be read",
    f'attributes.a = "{"x" * 300}"': "at most 256 bytes",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_filter_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(BadInput, match=WRONG[text]):
        parse(text)


PIECES = [
    "attributes",
    ":",
    ".",
    "a",
    '"b"',
    "=",
    "!=",
    "AND",
    "OR",
    "NOT",
    "-",
    "(",
    ")",
    "hasPrefix",
    ",",
    " ",
    "\\",
    '"',
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        matches = parse(text)
    except BadInput:
        return
    assert matches is None or matches({"a": "b"}) in (True, False)
