"""How the inputs and outputs of the two sides differ, and which of it breaks callers of A."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelserve.payloads.predictions import encode, label_text
from modelserve_control.compare.sides.wire import Description

Change = dict[str, Any]
"""{"what", "a", "b", "breaking"}; `a` or `b` is None where that side has none."""


def find_changes(a: Description, b: Description) -> list[Change]:
    found = [*column_changes(specs(a, "inputs"), specs(b, "inputs"))]
    outputs = ({name: type_text(spec) for name, spec in specs(side, "outputs").items()} for side in (a, b))
    found += named_changes("output", *outputs)
    params = ({name: spec_text(spec) for name, spec in specs(side, "params").items()} for side in (a, b))
    found += named_changes("param", *params)
    if bool(a.signature) != bool(b.signature):
        found.append(change("signature", a.signature and "one", b.signature and "one", breaking=True))
    found += named_changes("method", dict.fromkeys(a.methods, "has it"), dict.fromkeys(b.methods, "has it"))
    if a.methods[:1] != b.methods[:1]:
        found.append(change("default method", a.methods[0], b.methods[0], breaking=True))
    found += class_changes(a.classes, b.classes)
    # The label is a key of every answer; the threshold decides its value.
    for key in ("label", "positive_class", "threshold"):
        before, after = (side.presentation.get(key) for side in (a, b))
        if before != after:
            found.append(change(key.replace("_", " "), before, after, breaking=key != "threshold"))
    if a.runtime != b.runtime:
        found.append(change("runtime", a.runtime, b.runtime, breaking=False))
    return found


def change(what: str, a: Any, b: Any, breaking: bool) -> Change:
    return {"what": what, "a": a, "b": b, "breaking": breaking}


def specs(side: Description, key: str) -> dict[str, Mapping[str, Any]]:
    found = (side.signature or {}).get(key) or []
    return {str(spec.get("name", place)): spec for place, spec in enumerate(found)}


def column_changes(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> Iterator[Change]:
    """A new required column, another type, or a null that is no longer accepted breaks callers."""
    for name in {**a, **b}:
        before, after = a.get(name), b.get(name)
        if before is None and after is not None:
            yield change(f"column {name}", None, describe(after), breaking=is_required(after))
        elif after is None and before is not None:
            yield change(f"column {name}", describe(before), None, breaking=False)
        elif before is not None and after is not None and describe(before) != describe(after):
            other_type = type_text(before) != type_text(after)
            stricter = is_required(after) and not is_required(before)
            yield change(f"column {name}", describe(before), describe(after), breaking=other_type or stricter)
    both = [name for name in a if name in b]
    if both != [name for name in b if name in a]:
        yield change("order of the columns", ", ".join(a), ", ".join(b), breaking=False)


def class_changes(a: list[Any] | None, b: list[Any] | None) -> Iterator[Change]:
    if (a is None) != (b is None):
        yield change("classes", a and f"{len(a)} of them", b and f"{len(b)} of them", breaking=True)
        return
    known = [{label_text(label): "has it" for label in side or ()} for side in (a, b)]
    for found in named_changes("class", *known):
        yield found | {"breaking": True}  # callers do not know a new class either


def named_changes(what: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Change]:
    """Removing or changing something breaks callers, adding does not."""
    for name in {**a, **b}:
        if a.get(name) != b.get(name):
            yield change(f"{what} {name}", a.get(name), b.get(name), breaking=name in a)


def is_required(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("required", True)) and not spec.get("optional", False)


def type_text(spec: Mapping[str, Any]) -> str:
    return spec_text({key: value for key, value in spec.items() if key not in ("name", "required", "optional")})


def describe(spec: Mapping[str, Any]) -> str:
    return f"{type_text(spec)}{'' if is_required(spec) else ', may be null'}"


def spec_text(spec: Mapping[str, Any]) -> str:
    return (
        str(spec["type"]) if set(spec) == {"type"} else encode({k: v for k, v in spec.items() if k != "name"}).decode()
    )
