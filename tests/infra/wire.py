"""A schema as the message that Terraform reads from a provider, in the protocol buffers wire format.

The numbers of the fields are those of tfplugin5.proto, https://github.com/hashicorp/terraform/tree/main/docs/plugin-protocol.
"""

from __future__ import annotations

import json
from typing import Final

from infra.schema import Attribute, Block, Nested, Schema

NESTING: Final = {"single": 1, "list": 2, "set": 3}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value) if value else b""  # what is left out is zero


def data(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def attribute(name: str, one: Attribute) -> bytes:
    flags = number(4, one.required) + number(5, one.optional) + number(6, one.computed)
    return data(1, name.encode()) + data(2, json.dumps(one.type).encode()) + flags


def nested(name: str, one: Nested) -> bytes:
    bounds = number(3, NESTING[one.nesting]) + number(4, one.least) + number(5, one.most)
    return data(1, name.encode()) + data(2, block(one.block)) + bounds


def block(one: Block) -> bytes:
    attributes = b"".join(data(2, attribute(name, inner)) for name, inner in sorted(one.attributes.items()))
    return attributes + b"".join(data(3, nested(name, inner)) for name, inner in sorted(one.blocks.items()))


def schema(one: Block) -> bytes:
    return data(2, block(one))


def provider_schema(whole: Schema) -> bytes:
    """The answer to GetProviderSchema."""
    parts = [data(1, schema(whole.provider))]
    for field, entries in ((2, whole.resources), (3, whole.data)):
        parts += [data(field, data(1, name.encode()) + data(2, schema(one))) for name, one in sorted(entries.items())]
    optional = data(6, number(2, 1))  # Terraform may keep this answer and need not ask again
    return b"".join([*parts, optional])


def fields(message: bytes) -> dict[int, bytes]:
    """The last value of each field that is a text, bytes or a message; numbers are not needed of what is asked."""
    found: dict[int, bytes] = {}
    place = 0
    while place < len(message):
        tag, place = read_varint(message, place)
        value, place = read_varint(message, place)
        if tag & 7 == 2:
            found[tag >> 3] = message[place : place + value]
            place += value
    return found


def read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place


def error(field: int, summary: str) -> bytes:
    """A diagnostic that ends the operation."""
    return data(field, number(1, 1) + data(2, summary.encode()))


def path(field: int, name: str) -> bytes:
    """The path of a top-level attribute."""
    return data(field, data(1, data(1, name.encode())))
