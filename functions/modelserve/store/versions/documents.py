"""Strict reading of a store's JSON documents, so that two readers of a document cannot find different content."""

import json
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64  # this kit writes at most ten levels, in a signature


class Unreadable(ValueError):
    """What is wrong with the document, as in `names a key twice`."""


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259) in UTF-8 that every parser reads alike. Raises `Unreadable`."""
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
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise Unreadable("contains half of a surrogate pair, which is no character") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Unreadable("names a key twice in one object")
    return result


def _constant(_: str) -> NoReturn:
    raise Unreadable("contains NaN or Infinity, which JSON does not have")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Unreadable("contains a number out of range")
    return value


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:  # Python reads no more than some thousand digits
        raise Unreadable("contains a number out of range") from error


def _check_depth(value: Any) -> None:
    """Level by level, without recursion. It also keeps a document from exhausting the stack when it is written again."""
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
