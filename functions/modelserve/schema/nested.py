"""Columns of arrays, objects, maps or anything (MLflow's `Array`, `Object`, `Map` and `AnyType`): (rows,) Python
objects."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelserve.schema.types import MISSING, SCALARS, ColumnType, FloatType
from modelserve.schema.values import json_type


class Nested(ColumnType):
    dtype = np.dtype(object)


class ArrayType(Nested):
    name = "array"

    def __init__(self, items: ColumnType) -> None:
        self.items = items

    def cell(self, value: Any) -> list[Any]:
        if type(value) is not list:
            raise ValueError(f"{json_type(value)}, needs an array")
        if value and self.items.fast(value) is not None:
            return list(map(float, value)) if isinstance(self.items, FloatType) else list(value)
        return [within("item ", place, self.items, item) for place, item in enumerate(value)]


class ObjectType(Nested):
    name = "object"

    def __init__(self, fields: Mapping[str, tuple[ColumnType, bool]]) -> None:
        self.fields = fields

    def cell(self, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise ValueError(f"{json_type(value)}, needs an object")
        unknown = len(value.keys() - self.fields.keys())
        if unknown:
            raise ValueError(f"{unknown} fields that the signature does not have")
        result = {}
        for name, (kind, required) in self.fields.items():
            item = value.get(name, MISSING)
            if item is MISSING and not required:
                continue
            result[name] = within("field ", name, kind, item, required)
        return result


class MapType(Nested):
    name = "map"

    def __init__(self, values: ColumnType) -> None:
        self.values = values

    def cell(self, value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise ValueError(f"{json_type(value)}, needs a map")
        return {key: within("a value of the map", "", self.values, item) for key, item in value.items()}


class AnyType(Nested):
    name = "any"

    def cell(self, value: Any) -> Any:
        return value


def within(part: str, place: object, kind: ColumnType, value: Any, required: bool = True) -> Any:
    """`part` and `place` are joined only for a reason: a cell can hold millions of items."""
    try:
        cell = kind._cell_or_null(value, required)
    except ValueError as error:
        raise ValueError(f"{part}{place}: {error}") from None
    return python_value(cell)


def python_value(cell: Any) -> Any:
    """What stands in no column of its own: a datetime is Python's there."""
    return cell.astype("datetime64[us]").item() if isinstance(cell, np.datetime64) else cell


def column_type(spec: Mapping[str, Any]) -> ColumnType:
    """The kind of one entry of an MLmodel signature, for example {"type": "array", "items": {"type": "long"}}."""
    name = spec["type"]
    if name == "array":
        return ArrayType(column_type(spec["items"]))
    if name == "object":
        return ObjectType(
            {key: (column_type(item), item.get("required", True)) for key, item in spec["properties"].items()}
        )
    if name == "map":
        return MapType(column_type(spec["values"]))
    return AnyType() if name == "any" else SCALARS[name]
