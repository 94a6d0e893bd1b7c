"""Refuses a model loaded under MODEL_TRUST=strict that reads or writes files, since skops trusts types, not attributes.

A `CountVectorizer(input="filename")` opens every file that a caller names, and `memory` is a directory of pickles that
joblib loads (scikit-learn 1.9; not all of its other estimators were searched).
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MethodType
from typing import Any, Final

from modelserve.store.trust.policy import refuse

LEAVES: Final = (str, bytes, int, float, complex, bool, type(None), type)
CONTAINERS: Final = (list, tuple, set, frozenset)


def check_estimators(*roots: Any) -> None:
    """Raises VersionRefused. Checks attributes, not `get_params`: a fitted model predicts with its attributes."""
    for found in walk(roots):
        name = type(found).__name__
        values = attributes(found)
        given = values.get("input", "content")
        if not (type(given) is str and given == "content"):
            refuse(f"its {name} reads files that a caller names; make it with input='content'")
        if values.get("memory") is not None:
            refuse(f"its {name} keeps a cache of pickles on disk; make it with memory=None")


def walk(roots: Iterable[Any]) -> Iterator[Any]:
    """Every object that can be reached and has attributes, once. Not recursive, so that no depth exhausts the stack."""
    waiting = list(roots)
    seen: dict[int, Any] = {}  # keeps the objects, so that no id is used twice
    while waiting:
        value = waiting.pop()
        if isinstance(value, LEAVES) or id(value) in seen:
            continue
        seen[id(value)] = value
        if attributes(value):
            yield value
        waiting.extend(parts(value))


def attributes(value: Any) -> Mapping[str, Any]:
    found = getattr(value, "__dict__", None)
    return found if isinstance(found, dict) else {}


def parts(value: Any) -> Iterator[Any]:
    yield from attributes(value).values()
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, CONTAINERS):
        yield from value
    elif isinstance(value, MethodType):
        yield value.__self__
    elif getattr(getattr(value, "dtype", None), "hasobject", False) and hasattr(value, "tolist"):
        yield value.tolist()
