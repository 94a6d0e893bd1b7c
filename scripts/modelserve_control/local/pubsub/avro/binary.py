"""Whether a message fits an Avro schema in the binary encoding: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding.

`fastavro` reads such messages too, but a hundred kilobytes that nest deeply end its process, and nine bytes that announce
an array of nulls keep it busy for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

MAX_DEPTH: Final = 200  # of values in values
MAX_NUMBER_BYTES: Final = 10
SIZES: Final = {"null": 0, "boolean": 1, "float": 4, "double": 8}


class Misfit(Exception):
    pass


class Message:
    """`named` are the schemas that have a name, by it."""

    def __init__(self, data: bytes, named: Mapping[str, Any]) -> None:
        self._data = data
        self._at = 0
        self._named = named

    def fits(self, schema: Any) -> bool:
        try:
            self._value(schema, MAX_DEPTH)
        except (Misfit, UnicodeDecodeError):
            return False
        return True

    def _value(self, schema: Any, depth: int) -> None:
        if depth == 0:
            raise Misfit
        if isinstance(schema, list):
            self._value(self._one_of(schema), depth - 1)
            return
        kind = schema["type"] if isinstance(schema, dict) else schema
        match kind:
            case "null" | "boolean" | "float" | "double":
                self._take(SIZES[kind])
            case "int" | "long":
                self._number(32 if kind == "int" else 64)
            case "bytes":
                self._take(self._number())
            case "string":
                self._take(self._number()).decode()
            case "enum":
                self._one_of(schema["symbols"])
            case "fixed":
                self._take(schema["size"])
            case "record" | "error":
                for field in schema["fields"]:
                    self._value(field["type"], depth - 1)
            case "array" | "map":
                self._blocks(schema, depth - 1)
            case str():
                self._value(self._named[kind], depth)
            case _:
                self._value(kind, depth - 1)

    def _blocks(self, schema: Mapping[str, Any], depth: int) -> None:
        while count := self._number():
            if count < 0:
                self._number()  # of the block's bytes
            for _ in range(abs(count)):
                before = self._at
                if schema["type"] == "map":
                    self._value("string", depth)
                self._value(schema.get("items", schema.get("values")), depth)
                if self._at == before:
                    break  # items without bytes are all alike

    def _one_of(self, choices: Sequence[Any]) -> Any:
        place = self._number(32)
        if not 0 <= place < len(choices):
            raise Misfit
        return choices[place]

    def _number(self, bits: int = 64) -> int:
        number = 0
        for place in range(MAX_NUMBER_BYTES):
            byte = self._take(1)[0]
            number |= (byte & 127) << (7 * place)
            if byte < 128:
                number = (number >> 1) ^ -(number & 1)
                if -1 << bits - 1 <= number < 1 << bits - 1:
                    return number
                break
        raise Misfit

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + max(size, 0)]
        if len(taken) != size:
            raise Misfit
        self._at += size
        return taken
