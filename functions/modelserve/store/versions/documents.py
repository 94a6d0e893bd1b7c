"""JSON documents of a store, read without believing them: two readers of one document must find the same in it."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64  # this kit writes ten levels at most, in a signature


class Unreadable(ValueError):
    """What is wrong with it, as in `names a key twice`."""


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object as RFC 8259 has it, in UTF-8, that every reader takes for the same. Raises `Unreadable`."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable("is not UTF-8") from error
    if text.startswith("\ufeff"):
        raise Unreadable("begins with a byte order mark")
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite, parse_int=_whole
        )
    except Unreadable:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise Unreadable("is not JSON") from error
    if not isinstance(value, dict):
        raise Unreadable("is not a JSON object")
    _check_depth(value)
    if "\\u" in text:
        _check_texts(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Unreadable("names a key twice in one object")
    return result


def _constant(_: str) -> NoReturn:
    raise Unreadable("holds NaN or Infinity, which JSON does not have")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Unreadable("holds a number out of range")
    return value


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:  # Python reads no more than some thousand digits
        raise Unreadable("holds a number out of range") from error


def _check_depth(value: Any) -> None:
    """Level by level, so that no depth can exhaust the stack here, or where the document is written again."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Unreadable:
    return Unreadable(f"is nested deeper than {MAX_DEPTH} levels")


def _check_texts(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise Unreadable("holds half of a surrogate pair, which is no character") from error
