"""Avro types for the types of a signature, in the form that Pub/Sub accepts: one record without named references."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Final

from modelserve.schema.nested import ArrayType, MapType, ObjectType
from modelserve.schema.tensors import Tensor
from modelserve.schema.types import ColumnType
from modelserve_control.common.errors import NoAvroForm

Type = str | dict[str, Any] | list[Any]

# https://avro.apache.org/docs/1.12.0/specification/#names
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# As in JSON: a datetime is a text, and bytes are a base64 text.
SCALARS: Final[Mapping[str, str]] = {
    "boolean": "boolean",
    "integer": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "string": "string",
    "binary": "bytes",
    "datetime": "string",
    # items of tensors
    "float32": "float",
    "float64": "double",
    "int8": "int",
    "int16": "int",
    "int32": "int",
    "int64": "long",
    "uint8": "int",
    "uint16": "int",
    "uint32": "long",
}


class Avro:
    """Builds the types of one schema with unique names of records."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def make_type(self, kind: ColumnType, place: str) -> Type:
        """The type of one value. Raises NoAvroForm; its message names `place`."""
        if isinstance(kind, Tensor):
            made = self.make_type(kind.item, place)
            for _ in kind.shape:
                made = array(made)
            return made
        if isinstance(kind, ArrayType):
            return array(self.make_type(kind.items, place))
        if isinstance(kind, MapType):
            return {"type": "map", "values": self.make_type(kind.values, place)}
        if isinstance(kind, ObjectType):
            fields = {
                name: make_optional(self.make_type(item, f"{place}.{name}"), required)
                for name, (item, required) in kind.fields.items()
            }
            return record(f"Record{next(self._numbers)}", fields)
        if kind.name not in SCALARS:
            raise NoAvroForm(
                f"{place} has the type {kind.name}, which Avro does not support; leave the topic without a schema."
            )
        return SCALARS[kind.name]


def array(items: Type) -> Type:
    return {"type": "array", "items": items}


def make_optional(made: Type, required: bool) -> Type:
    return made if required else ["null", made]


def has_union(made: Type) -> bool:
    """Whether the type is a union or contains one."""
    if not isinstance(made, dict):
        return isinstance(made, list)
    parts = [made[key] for key in ("items", "values") if key in made]
    return any(map(has_union, parts + [part["type"] for part in made.get("fields", ())]))


def record(name: str, fields: Mapping[str, Type]) -> dict[str, Any]:
    check_names(fields)
    return {"type": "record", "name": name, "fields": [field(name, made) for name, made in fields.items()]}


def field(name: str, made: Type) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "type": made}
    return found | {"default": None} if isinstance(made, list) else found


def check_names(names: Iterable[str]) -> None:
    """Names cannot be escaped, because a message uses them unchanged."""
    wrong = [name for name in names if not NAME.fullmatch(name)]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise NoAvroForm(
            f"Avro does not allow the names {', '.join(map(ascii, wrong[:5]))}{more}; a name has letters, digits and _, and "
            "does not start with a digit. Publish the model with other names, or leave the topic without a schema."
        )
