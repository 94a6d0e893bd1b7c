"""What the two sides take and give, and where that differs: what breaks those who call A is told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from modelserve.payloads.predictions import encode, label_text
from modelserve_control.compare.sides.wire import Described

Change = dict[str, Any]
"""{"what", "a", "b", "breaking"}: None where a side has nothing of the kind."""


def changes(a: Described, b: Described) -> list[Change]:
    found = [*columns(part(a, "inputs"), part(b, "inputs"))]
    found += outputs(part(a, "outputs"), part(b, "outputs"))
    found += params(part(a, "params"), part(b, "params"))
    if bool(a.signature) != bool(b.signature):
        found.append(change("signature", a.signature and "one", b.signature and "one", breaking=True))
    found += named("method", dict.fromkeys(a.methods, "has it"), dict.fromkeys(b.methods, "has it"))
    if a.methods[:1] != b.methods[:1]:
        found.append(change("default method", a.methods[0], b.methods[0], breaking=True))
    found += classes(a.classes, b.classes)
    # The label is a key of every answer, the threshold decides what it says.
    for key in ("label", "positive_class", "threshold"):
        before, after = (side.presentation.get(key) for side in (a, b))
        if before != after:
            found.append(change(key.replace("_", " "), before, after, breaking=key != "threshold"))
    if a.runtime != b.runtime:
        found.append(change("runtime", a.runtime, b.runtime, breaking=False))
    return found


def change(what: str, a: Any, b: Any, breaking: bool) -> Change:
    return {"what": what, "a": a, "b": b, "breaking": breaking}


def part(side: Described, key: str) -> dict[str, Mapping[str, Any]]:
    found = (side.signature or {}).get(key) or []
    return {str(spec.get("name", place)): spec for place, spec in enumerate(found)}


def columns(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> Iterator[Change]:
    """A column more that is required, another type, or a null that is no longer taken break a caller."""
    for name in {**a, **b}:
        before, after = a.get(name), b.get(name)
        if before is None and after is not None:
            yield change(f"column {name}", None, described(after), breaking=required(after))
        elif after is None and before is not None:
            yield change(f"column {name}", described(before), None, breaking=False)
        elif before is not None and after is not None and described(before) != described(after):
            other_type = typed(before) != typed(after)
            stricter = required(after) and not required(before)
            yield change(f"column {name}", described(before), described(after), breaking=other_type or stricter)
    both = [name for name in a if name in b]
    if both != [name for name in b if name in a]:
        yield change("order of the columns", ", ".join(a), ", ".join(b), breaking=False)


def outputs(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> Iterator[Change]:
    kinds_a, kinds_b = ({name: typed(spec) for name, spec in side.items()} for side in (a, b))
    yield from named("output", kinds_a, kinds_b)


def params(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> Iterator[Change]:
    yield from named("param", *({name: plain(spec) for name, spec in side.items()} for side in (a, b)))


def classes(a: list[Any] | None, b: list[Any] | None) -> Iterator[Change]:
    if (a is None) != (b is None):
        yield change("classes", a and f"{len(a)} of them", b and f"{len(b)} of them", breaking=True)
        return
    known = [{label_text(label): "has it" for label in side or ()} for side in (a, b)]
    for found in named("class", *known):
        yield found | {"breaking": True}  # a class that nobody knew is as new to a caller as one that is gone


def named(what: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Change]:
    """What is gone or another breaks a caller, what is new does not."""
    for name in {**a, **b}:
        if a.get(name) != b.get(name):
            yield change(f"{what} {name}", a.get(name), b.get(name), breaking=name in a)


def required(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("required", True)) and not spec.get("optional", False)


def typed(spec: Mapping[str, Any]) -> str:
    return plain({key: value for key, value in spec.items() if key not in ("name", "required", "optional")})


def described(spec: Mapping[str, Any]) -> str:
    return f"{typed(spec)}{'' if required(spec) else ', may be null'}"


def plain(spec: Mapping[str, Any]) -> str:
    """A type by its name where that says all."""
    return (
        str(spec["type"]) if set(spec) == {"type"} else encode({k: v for k, v in spec.items() if k != "name"}).decode()
    )
