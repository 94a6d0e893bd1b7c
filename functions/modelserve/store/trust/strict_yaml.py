"""YAML that every parser reads alike and that cannot expand or run code: without tags, aliases and duplicate keys."""

from typing import Any

import yaml

MAX_DEPTH = 32  # MLflow writes four levels; libyaml's composer ends the process at some ten thousand

try:
    from yaml import CSafeLoader as Loader  # ten times as fast
except ImportError:  # a PyYAML built without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]  # same interface, other base class


class Refused(yaml.YAMLError):
    """What is wrong with the file, as in `names a key twice`."""


def load(data: bytes | str) -> Any:
    """Mappings, lists and scalars. Raises `yaml.YAMLError`, or ValueError for an invalid date."""
    _check_events(data)
    return yaml.load(data, _Strict)  # noqa: S506 - a SafeLoader


def _check_events(data: bytes | str) -> None:
    depth = 0
    for event in yaml.parse(data, Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise Refused("contains a YAML anchor or alias")
        if getattr(event, "tag", None):
            raise Refused("contains a YAML tag")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise Refused(f"is nested deeper than {MAX_DEPTH} levels")


class _Strict(Loader):
    """Other parsers read a duplicate key differently, so that a check and a loader could disagree."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) != len(node.value):
            raise Refused(f"names a key twice in the mapping at line {node.start_mark.line + 1}")
        return found
