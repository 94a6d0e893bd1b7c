"""Filters of subscriptions: https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Final

from modelserve_control.local.pubsub.topics.errors import BadInput

Matches = Callable[[Mapping[str, str]], bool]

MAX_FILTER_BYTES: Final = 256
TEXT: Final = r'"(?:[^"\\]|\\.)*"'
KEY: Final = rf"(?P<key>[A-Za-z0-9_-]+|{TEXT})"
TERMS: Final = {
    "has": re.compile(rf"attributes\s*:\s*{KEY}"),
    "compare": re.compile(rf"attributes\s*\.\s*{KEY}\s*(?P<operator>!?=)\s*(?P<value>{TEXT})"),
    "prefix": re.compile(rf"hasPrefix\s*\(\s*attributes\s*\.\s*{KEY}\s*,\s*(?P<value>{TEXT})\s*\)"),
}
SYMBOL: Final = re.compile(r"\s*(AND\b|OR\b|NOT\b|-|\(|\)|$)")


def parse(text: str) -> Matches | None:
    """None without a filter. Raises BadInput."""
    if not text.strip():
        return None
    if len(text.encode()) > MAX_FILTER_BYTES:
        raise BadInput(f"A filter has at most {MAX_FILTER_BYTES} bytes.")
    parser = Parser(text)
    matches = parser.expression()
    if not parser.accept(""):
        raise parser.error()
    return matches


class Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def expression(self) -> Matches:
        """AND and OR may stand side by side only in parentheses."""
        parts, operators = [self.operand()], set[str]()
        while operator := self.accept("AND", "OR"):
            operators.add(operator)
            parts.append(self.operand())
        if len(operators) > 1:
            raise BadInput("A filter with both AND and OR needs parentheses around one of them.")
        combine = any if "OR" in operators else all
        return lambda attributes: combine(part(attributes) for part in parts)

    def operand(self) -> Matches:
        if self.accept("NOT", "-"):
            negated = self.operand()
            return lambda attributes: not negated(attributes)
        if self.accept("("):
            inner = self.expression()
            if not self.accept(")"):
                raise self.error()
            return inner
        return self.term()

    def term(self) -> Matches:
        start = len(self._text) - len(self._text[self._position :].lstrip())
        for kind, pattern in TERMS.items():
            if found := pattern.match(self._text, start):
                self._position = found.end()
                groups = found.groupdict()
                return matcher(
                    kind, unquote(groups["key"]), unquote(groups.get("value") or '""'), groups.get("operator")
                )
        raise self.error()

    def accept(self, *symbols: str) -> str | None:
        """The next symbol if it is one of these. The end is an empty one, which is returned as a space."""
        found = SYMBOL.match(self._text, self._position)
        if found is None or found[1] not in symbols:
            return None
        self._position = found.end()
        return found[1] or " "

    def error(self) -> BadInput:
        return BadInput(
            f"The filter cannot be read from character {self._position + 1} on: it is made of attributes:KEY, "
            'attributes.KEY = "VALUE", attributes.KEY != "VALUE", hasPrefix(attributes.KEY, "VALUE"), AND, OR, NOT and parentheses.'
        )


def matcher(kind: str, key: str, value: str, operator: str | None) -> Matches:
    if kind == "has":
        return lambda attributes: key in attributes
    if kind == "prefix":
        return lambda attributes: attributes.get(key, "").startswith(value) and key in attributes
    return lambda attributes: (attributes.get(key) == value) == (operator == "=")


def unquote(text: str) -> str:
    """A string literal as its text; its escapes are those of Python."""
    if not text.startswith('"'):
        return text
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError) as error:
        raise BadInput(f"The filter has the string {text}, whose escapes cannot be read.") from error
