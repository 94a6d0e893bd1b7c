"""Messages in Avro's binary encoding: what `fastavro` reads fits, and nothing holds the server up or ends it."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import fastavro
import pytest
from fastavro._read_py import read_data
from fastavro.io.binary_decoder import BinaryDecoder
from hypothesis import given
from hypothesis import strategies as st

from modelserve_control.local.pubsub.topics.schemas import BINARY, parse

EVERY: Final = {
    "type": "record", "name": "a.Every", "fields": [
        {"name": "flag", "type": "boolean"}, {"name": "small", "type": "int"}, {"name": "large", "type": "long"},
        {"name": "single", "type": "float"}, {"name": "real", "type": "double"}, {"name": "text", "type": "string"},
        {"name": "raw", "type": {"type": "bytes"}}, {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["x", "y"]}},
        {"name": "tag", "type": {"type": "fixed", "name": "Tag", "size": 3}}, {"name": "other", "type": ["null", "Kind", "Tag"]},
        {"name": "list", "type": {"type": "array", "items": ["null", "a.Every"]}},
        {"name": "table", "type": {"type": "map", "values": "long"}}, {"name": "nothing", "type": "null"},
    ],
}  # fmt: skip
VALUE: Final[dict[str, Any]] = {
    "flag": True, "small": -(2**31), "large": 2**63 - 1, "single": 0.5, "real": 1e300, "text": "é", "raw": b"\xff", "kind": "y",
    "tag": b"abc", "other": b"xyz", "list": [None], "table": {"a": 1, "b": -1}, "nothing": None,
}  # fmt: skip
WHOLE: Final = {**VALUE, "list": [VALUE, None, VALUE]}
LIST: Final = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}
NULLS: Final = {"type": "array", "items": "null"}
LARGEST: Final = b"\xfe" + b"\xff" * 8 + b"\x01"


def fits(schema: Any, data: bytes) -> bool:
    return parse("AVRO", json.dumps(schema)).fits(BINARY, data)


def write(schema: Any, value: Any) -> bytes:
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), value)
    return file.getvalue()


def test_what_is_written_fits_and_no_part_of_it_does() -> None:
    data = write(EVERY, WHOLE)
    assert fits(EVERY, data)
    assert [size for size in range(len(data)) if fits(EVERY, data[:size])] == []


class Decoder(BinaryDecoder):
    """To `fastavro` a place of -1 is the last symbol or branch."""

    def read_enum(self) -> int:
        return self.read_index()

    def read_index(self) -> int:
        place: int = super().read_index()  # type: ignore[no-untyped-call]  # fastavro's module in Python has no types
        if place < 0:
            raise IndexError(place)
        return place


def is_read(schema: Any, data: bytes) -> bool:
    named: dict[str, Any] = {"writer": {}, "reader": {}}
    parsed = fastavro.parse_schema(schema, named_schemas=named["writer"])
    try:
        read_data(Decoder(io.BytesIO(data)), parsed, named, None, {})  # type: ignore[no-untyped-call]  # as above
    except Exception:
        return False
    return True


@given(st.data())
def test_a_changed_byte_fits_where_fastavro_reads_it(data: st.DataObject) -> None:
    """With numbers that no byte takes out of the range of their type, which `fastavro` does not check."""
    body = bytearray(write(EVERY, VALUE | {"small": -70_000, "large": 2**40}))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 127))
    assert fits(EVERY, bytes(body)) == is_read(EVERY, bytes(body))


@pytest.mark.parametrize(
    ("schema", "data", "expected"),
    [
        (LIST, b"\x02" * 50 + b"\x00", True),
        (LIST, b"\x02" * 3_000_000 + b"\x00", False),
        (NULLS, LARGEST + b"\x00", True),
        (NULLS, b"\x01\x00" * 2, False),
        ({"type": "array", "items": "long"}, LARGEST, False),
        ({"type": "array", "items": "long"}, b"\x03\x04\x02\x04\x00", True),
        ("bytes", LARGEST, False),
        ("bytes", b"\x01", False),
        ("long", b"\xff" * 1_000_000, False),
        ("int", LARGEST, False),
        ("string", b"\x02\xff", False),
    ],
)
def test_hostile_messages_are_answered(schema: Any, data: bytes, expected: bool) -> None:
    assert fits(schema, data) == expected
