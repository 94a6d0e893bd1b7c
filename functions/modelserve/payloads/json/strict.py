"""JSON in: RFC 8259, with duplicate keys, deep nesting and numbers that a double cannot hold refused."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from modelserve.core.errors import MalformedRequest

_decoder = msgspec.json.Decoder()
NOT_FINITE = (b"NaN", b"Infinity")
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def decode(data: bytes, max_depth: int) -> Any:
    """Python values; integers keep every digit. Raises MalformedRequest."""
    try:
        value = _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise MalformedRequest("A number in the body is out of range.") from error
    except msgspec.DecodeError as error:
        raise MalformedRequest(describe(error, data)) from error
    except RecursionError:
        raise MalformedRequest(f"The body is nested deeper than {max_depth} levels.") from None
    except UnicodeDecodeError:
        raise MalformedRequest("The body is not valid UTF-8.") from None
    keys = measure(value, max_depth)
    # Every key is followed by a colon, so as many colons as keys leave no room for a key that came twice.
    # Colons inside strings break the tie; then the slow decoder looks.
    if data.count(b":") != keys:
        refuse_duplicates(data)
    return value


def count_values(data: bytes, enough: int) -> int:
    """How many values `data` has at most, without what stands in strings where that may be more than `enough`. Nothing is
    decoded: each value but the first, or its key, stands behind a comma or a bracket."""
    found = most_values(data)
    return found if found <= enough else most_values(STRING.sub(b"", data))


def most_values(data: bytes) -> int:
    return 1 + data.count(b",") + data.count(b"[") + data.count(b"{")


def describe(error: Exception, data: bytes) -> str:
    _, found, end = str(error).rpartition("(byte ")
    if not found:
        return "The body is not valid JSON."
    at = int(end.rstrip(")"))
    if data.startswith(NOT_FINITE, at):
        return f"NaN and Infinity, as at byte {at}, are not JSON; send null for a number that is missing."
    return f"The body is not valid JSON at byte {at}."


def measure(value: Any, max_depth: int) -> int:
    """How many keys all objects have together. Walks level by level, so no depth can exhaust the stack."""
    keys = 0
    level = [value] if type(value) in CONTAINERS else []
    for _ in range(max_depth + 1):
        if not level:
            return keys
        deeper: list[Any] = []
        for item in level:
            children = item
            if type(item) is dict:
                keys += len(item)
                children = item.values()
            if not CONTAINERS.isdisjoint(map(type, children)):  # most objects hold none, which this tells at once
                deeper.extend(child for child in children if type(child) in CONTAINERS)
        level = deeper
    raise MalformedRequest(f"The body is nested deeper than {max_depth} levels.")


CONTAINERS = frozenset({dict, list})


def refuse_duplicates(data: bytes) -> None:
    json.loads(data, object_pairs_hook=unique, parse_int=str, parse_float=str)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedRequest("An object in the body has the same key twice.")
    return result


def encode(value: Any) -> bytes:
    """A decoded value as JSON again, with every digit of its integers."""
    return msgspec.json.encode(value)
