"""The values that the provider takes for an attribute, as the bindings document them: the schema does not say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra import schema

INTERFACE = re.compile(r"^export interface (\w+)", re.MULTILINE)
COMMENT = re.compile(r"/\*\*(.*?)\*/", re.DOTALL)
VALUES = re.compile(r"Possible values: \[([^\]]*)\]")
NAME = re.compile(r"/docs/resources/\w+#(\w+)")

Possible = Mapping[tuple[str, str], Collection[str]]


def read(wheel: Path) -> Possible:
    """For the name of a block, as the bindings spell it, and of an attribute in it, the values it may have."""
    found = {}
    for text in schema.sources(wheel, ".d.ts"):
        for block, body in schema.sections(INTERFACE, text):
            for comment in COMMENT.findall(body):
                values, name = VALUES.search(comment), NAME.search(comment)
                if values and name:
                    found[block[1], name[1]] = re.findall(r'"([^"]*)"', values[1])
    return found


def impossible(kind: str, config: Mapping[str, Any], possible: Possible) -> Iterator[str]:
    """A sentence for each attribute of a resource whose value the provider would refuse."""
    name = camel(kind.removeprefix("google_"))
    for block, attribute, value in texts(config, name):
        allowed = possible.get((f"{name}Config" if block == name else block, attribute))
        if allowed and value not in allowed:
            yield f"{attribute} is {value}, and may be {', '.join(allowed)}"


def texts(values: Mapping[str, Any], block: str) -> Iterator[tuple[str, str, str]]:
    """Block, name and value of each attribute that is a text."""
    for name, value in values.items():
        if isinstance(value, str):
            yield block, name, value
        for inner in value if isinstance(value, list) else []:
            if isinstance(inner, dict):
                yield from texts(inner, block + camel(name))


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
