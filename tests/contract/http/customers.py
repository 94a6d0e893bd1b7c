"""The same three customers in every form that a client may send."""

from __future__ import annotations

import csv
import io
import json
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ["contract", "tenure", "monthlycharges"]
ROWS: list[list[Any]] = [["one_year", 41, 79.85], ["month-to-month", 2, 99.5], ['never seen, "quoted"', 0, 20.0]]
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
BY_COLUMN = {name: [row[place] for row in ROWS] for place, name in enumerate(COLUMNS)}
SHUFFLED = [dict(reversed(record.items())) for record in RECORDS]

JSON_FORMS: dict[str, Any] = {
    "dataframe_split": {"dataframe_split": {"columns": COLUMNS, "data": ROWS}},
    "dataframe_split with an index": {"dataframe_split": {"columns": COLUMNS, "index": [7, 8, 9], "data": ROWS}},
    "dataframe_split in another order": {
        "dataframe_split": {"columns": COLUMNS[::-1], "data": [row[::-1] for row in ROWS]}
    },
    "dataframe_records": {"dataframe_records": RECORDS},
    "dataframe_records in another order": {"dataframe_records": SHUFFLED},
    "instances of objects": {"instances": RECORDS},
    "instances of lists": {"instances": ROWS},
    "inputs by column": {"inputs": BY_COLUMN},
    "inputs as records": {"inputs": RECORDS},
    "Vertex AI": {"instances": RECORDS, "parameters": {}},
}


def as_csv() -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *ROWS])
    return text.getvalue().encode()


def as_parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(BY_COLUMN), buffer)
    return buffer.getvalue()


def as_v2(outputs: list[str] | None = None) -> dict[str, Any]:
    kinds = ["BYTES", "INT64", "FP64"]
    inputs = [
        {"name": name, "shape": [len(ROWS)], "datatype": kind, "data": BY_COLUMN[name]}
        for name, kind in zip(COLUMNS, kinds, strict=True)
    ]
    return {"inputs": inputs} | ({"outputs": [{"name": name} for name in outputs]} if outputs else {})


def as_binary() -> tuple[bytes, int]:
    """The tensors of V2 as bytes, behind a JSON head of so many bytes."""
    texts = [row[0].encode() for row in ROWS]
    tensors = [b"".join(struct.pack("<I", len(text)) + text for text in texts)]
    tensors += [
        np.array(BY_COLUMN[name], kind).tobytes() for name, kind in zip(COLUMNS[1:], ("<i8", "<f8"), strict=True)
    ]
    inputs = [
        {name: one[name] for name in ("name", "shape", "datatype")} | {"parameters": {"binary_data_size": len(data)}}
        for one, data in zip(as_v2()["inputs"], tensors, strict=True)
    ]
    head = json.dumps({"inputs": inputs}).encode()
    return b"".join([head, *tensors]), len(head)
