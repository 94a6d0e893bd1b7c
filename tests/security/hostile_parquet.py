"""Parquet files that are made to hurt: one that ended processes, bombs, and files damaged at random."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Asking pyarrow 25 for the footer's words on a column of it ends the process: a level histogram has the wrong length.
ABORT: Final = Path(__file__).with_name("abort_histogram.parquet").read_bytes()
# What `bomb("tenure", 40_000_000)` gives, which takes a gigabyte to make: 10 KB that unpack to 320 MB of numbers and some
# hundred more of levels, under a footer that says 100 bytes.
LIE: Final = Path(__file__).with_name("lying_bomb.parquet").read_bytes()


def footer_of(data: bytes) -> bytes:
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def with_footer(data: bytes, footer: bytes) -> bytes:
    pages = data[: len(data) - 8 - len(footer_of(data))]
    return pages + footer + len(footer).to_bytes(4, "little") + data[-4:]


def varint(value: int, length: int = 0) -> bytes:
    """As thrift writes a positive integer, in at least so many bytes."""
    value *= 2
    found = bytearray()
    while value > 127 or len(found) < length - 1:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes(found) + bytes([value])


def bomb(column: str, items: int) -> bytes:
    """One row of so many numbers of eight bytes, whose footer says that they are few."""
    file = BytesIO()
    numbers = pa.array(np.zeros(items, np.int64))
    table = pa.table({column: pa.ListArray.from_arrays(pa.array([0, items], pa.int32()), numbers)})
    pq.write_table(table, file, compression="zstd", use_dictionary=False, write_statistics=False)
    data = file.getvalue()
    footer = footer_of(data)
    group = pq.read_metadata(BytesIO(data)).row_group(0)
    for size in {items, group.column(0).total_uncompressed_size, group.total_byte_size}:
        footer = footer.replace(varint(size), varint(100, len(varint(size))))
    return with_footer(data, footer)


def decimals_of_no_fixed_length(column: str) -> bytes:
    """pyarrow reads these and does not write them: a column of bytes whose footer says that they are decimals."""
    file = BytesIO()
    table = pa.table({column: pa.array([b"\x01\x00", b"\x7f"])})
    pq.write_table(table, file, store_schema=False, use_dictionary=False)
    data = file.getvalue()
    name = b"\x18" + bytes([len(column)]) + column.encode()
    decimal = b"\x25\x0a\x15\x04\x15\x12"  # converted type, scale 2, precision 9
    footer = footer_of(data).replace(name + b"\x00", name + decimal + b"\x00", 1)
    return with_footer(data, footer)


def wholes() -> list[bytes]:
    """Small files of all that a column may hold, in several encodings."""
    rows = 60
    columns: dict[str, Any] = {
        "contract": [f"c{n % 5}" for n in range(rows)],
        "tenure": list(range(rows)),
        "nulls": [None if n % 7 == 0 else n for n in range(rows)],
        "monthlycharges": [n / 4 for n in range(rows)],
        "flag": [n % 2 == 0 for n in range(rows)],
        "list": [[n] * (n % 4) for n in range(rows)],
        "object": [{"k": n, "t": ["x"]} for n in range(rows)],
        "instant": [datetime(2024, 1, 1 + n % 28) for n in range(rows)],
        "decimal": [Decimal(n).scaleb(-2) for n in range(rows)],
    }
    table = pa.table(columns)
    options: list[dict[str, Any]] = [
        {"compression": "NONE"},
        {"compression": "snappy", "use_dictionary": False, "row_group_size": 25},
        {"compression": "zstd", "data_page_version": "2.0", "write_page_index": True},
        {"compression": "gzip", "use_dictionary": False, "column_encoding": "PLAIN", "write_page_checksum": True},
    ]
    found = []
    for option in options:
        file = BytesIO()
        pq.write_table(table, file, **option)
        found.append(file.getvalue())
    return [*found, ABORT]


def damaged(seed: int, count: int) -> Iterator[bytes]:
    """The same for the same seed. Half of the damage is in the footer, where one byte means most."""
    chance = random.Random(seed)
    originals = wholes()
    for _ in range(count):
        data = bytearray(chance.choice(originals))
        first = len(data) - 8 - len(footer_of(bytes(data))) if chance.random() < 0.5 else 4
        for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
            place = chance.randrange(first, len(data))
            if chance.random() < 0.1:
                data[place : place + chance.randrange(1, 9)] = chance.randbytes(chance.randrange(1, 9))
            else:
                data[place] = chance.choice((0, 1, 127, 128, 255, data[place] ^ 1 << chance.randrange(8)))
            if len(data) <= first:
                break
        yield bytes(data)
