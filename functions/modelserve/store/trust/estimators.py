"""What a model that was loaded under MODEL_TRUST=strict may hold: nothing that reads files or writes them.

The types of an archive say what can be made of it, not with which values. A `CountVectorizer(input="filename")` opens
every file that a caller names, and a `memory` is a directory of pickles that joblib loads. These two are known
of scikit-learn 1.9; its other estimators were not all searched (`sklearn.feature_extraction.text`, `sklearn.utils.validation.check_memory`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MethodType
from typing import Any, Final

from modelserve.store.trust.policy import refuse

LEAVES: Final = (str, bytes, int, float, complex, bool, type(None), type)
CONTAINERS: Final = (list, tuple, set, frozenset)


def check_estimators(*roots: Any) -> None:
    """Raises VersionRefused. Looks at attributes, not at `get_params`: what a fitted model predicts with is in these."""
    for found in walk(roots):
        name = type(found).__name__
        values = attributes(found)
        given = values.get("input", "content")
        if not (type(given) is str and given == "content"):
            refuse(f"its {name} reads files that a caller names; make it with input='content'")
        if values.get("memory") is not None:
            refuse(f"its {name} keeps a cache of pickles on disk; make it with memory=None")


def walk(roots: Iterable[Any]) -> Iterator[Any]:
    """Every object that can be reached and has attributes, once; without recursion, which depth could exhaust."""
    waiting = list(roots)
    seen: dict[int, Any] = {}  # holds what it has seen, so that no id is used twice
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
