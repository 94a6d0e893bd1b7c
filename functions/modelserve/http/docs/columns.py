"""The columns of a model for whoever fills them in: types, known categories, ranges and rows of a sample."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Final

from modelserve.models.version import Loaded
from modelserve.payloads.predictions import jsonable, plain
from modelserve.schema.nested import AnyType, ArrayType, MapType, ObjectType
from modelserve.schema.signature import Column, Signature
from modelserve.schema.tensors import Tensor
from modelserve.schema.types import Array, ColumnType

Schema = dict[str, Any]

SCALARS: Final[dict[str, Schema]] = {
    "integer": {"type": "integer", "minimum": -(1 << 31), "maximum": (1 << 31) - 1},
    "long": {"type": "integer", "minimum": -(1 << 63), "maximum": (1 << 63) - 1},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "binary": {"type": "string", "contentEncoding": "base64"},
    "datetime": {"type": "string", "format": "date-time"},
}
# A value that fits, of a model that has no sample.
PLACEHOLDERS: Final[dict[str, Any]] = {
    "integer": 0,
    "long": 0,
    "float": 0.0,
    "double": 0.0,
    "boolean": False,
    "string": "",
    "binary": "",
    "datetime": "2000-01-01T00:00:00",
}
EXAMPLES: Final = 3
NUMBERS: Final = frozenset({"integer", "long", "float", "double"})


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def record_schema(loaded: Loaded) -> Schema:
    signature = loaded.signature
    if signature is None:
        return {"type": "object"}
    return {
        "type": "object",
        "properties": {column.name: column_schema(loaded, column) for column in signature.columns},
        "required": [column.name for column in signature.columns if column.required],
        "minProperties": 1,
        "examples": example_records(loaded),
    }


def column_schema(loaded: Loaded, column: Column) -> Schema:
    """With `enum` where the categories are known. `x-quantiles` are least, quarter, half, three quarters and greatest."""
    schema = dict(schema_of(column.kind))
    found = loaded.profile.get(column.name, {})
    known = loaded.categories.get(column.name) or known_categories(found)
    if known and column.kind.name == "string":
        schema["enum"] = list(known)
    if found.get("edges") and column.kind.name in NUMBERS:
        schema["x-quantiles"] = quantiles(found)
    return schema if column.required else {"anyOf": [schema, {"type": "null"}]}


def known_categories(found: Mapping[str, Any]) -> list[str]:
    """Of the profile, if it has all of them."""
    return list(found["counts"]) if found.get("kind") == "category" and not found["others"] else []


def quantiles(found: Mapping[str, Any]) -> list[float]:
    """From percentiles that stand there once each, with the number of values up to each."""
    edges, at_most = found["edges"], found["at_most"]
    return [edges[min(bisect_left(at_most, share * at_most[-1]), len(edges) - 1)] for share in (0, 0.25, 0.5, 0.75, 1)]


def schema_of(kind: ColumnType) -> Schema:
    if isinstance(kind, Tensor):
        schema = SCALARS.get(kind.item.name, {"type": "number"})
        for _ in kind.shape:
            schema = array(schema)
        return schema
    if isinstance(kind, ArrayType):
        return array(schema_of(kind.items))
    if isinstance(kind, MapType):
        return {"type": "object", "additionalProperties": schema_of(kind.values)}
    if isinstance(kind, ObjectType):
        return {"type": "object", "properties": {name: schema_of(item) for name, (item, _) in kind.fields.items()}}
    return {} if isinstance(kind, AnyType) else SCALARS[kind.name]


def example_records(loaded: Loaded) -> list[dict[str, Any]]:
    """Rows of the model's own sample, else one of placeholders."""
    sample = loaded.sample
    if sample is None or not sample.rows:
        return [placeholder_record(loaded.signature, loaded.categories)] if loaded.signature else []
    columns = {name: cells(values[:EXAMPLES]) for name, values in sample.columns.items()}
    return [
        {name: json_cell(loaded.signature, name, values[row]) for name, values in columns.items()}
        for row in range(min(sample.rows, EXAMPLES))
    ]


def cells(values: Array) -> Any:
    return plain([], values) if values.dtype.kind == "M" else jsonable(values)  # which gives dates as numbers


def json_cell(signature: Signature | None, name: str, value: Any) -> Any:
    """A long column with nulls is held as doubles; base64 has line breaks."""
    kinds = {column.name: column.kind.name for column in signature.columns} if signature else {}
    if kinds.get(name) in ("long", "integer") and type(value) is float:
        return int(value) if value == value else None
    if kinds.get(name) == "binary" and type(value) is str:
        return value.replace("\n", "")
    return None if type(value) is float and value != value else value


def placeholder_record(signature: Signature, categories: Any) -> dict[str, Any]:
    return {column.name: placeholder(column.kind, categories.get(column.name)) for column in signature.columns}


def placeholder(kind: ColumnType, known: Any = None) -> Any:
    if isinstance(kind, Tensor):
        value: Any = PLACEHOLDERS.get(kind.item.name, 0)
        for size in reversed(kind.shape):
            value = [value] * max(size, 1)
        return value
    if isinstance(kind, ArrayType):
        return []
    if isinstance(kind, MapType):
        return {}
    if isinstance(kind, ObjectType):
        return {name: placeholder(item) for name, (item, _) in kind.fields.items()}
    return known[0] if known else PLACEHOLDERS.get(kind.name)
