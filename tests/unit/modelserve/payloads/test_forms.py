"""The same rows through every form of payload give equal batches."""

from __future__ import annotations

import base64
import csv
import io
import json
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from modelserve.payloads.decode import CSV, JSON, PARQUET, Protocol, decode_body
from modelserve.payloads.json import oip_v2
from modelserve.payloads.json import records as plain
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature
from signatures import LIMITS, signature

# Null and an empty text are one in CSV and in a query, so texts are not empty here.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8)
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "string": TEXTS,
    "binary": st.binary(min_size=1, max_size=60),
    "datetime": st.datetimes(datetime(1678, 1, 1), datetime(2261, 12, 31)),
}
V2 = {"integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64", "boolean": "BOOL"}
ARROW = {
    "integer": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(), "boolean": pa.bool_(),
    "string": pa.string(), "binary": pa.binary(), "datetime": pa.timestamp("us"),
}  # fmt: skip

Rows = tuple[dict[str, str], list[dict[str, Any]]]


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    """Up to four columns with their types, and up to four rows of values; whole columns beside null stay below 2**53."""
    kinds = draw(st.lists(st.sampled_from([*CELLS, *(f"{kind}?" for kind in CELLS)]), min_size=1, max_size=4))
    columns = {f"c{place}": kind for place, kind in enumerate(kinds)}
    cells = {name: cell(kind) for name, kind in columns.items()}
    return columns, draw(st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=4))


def cell(kind: str) -> st.SearchStrategy[Any]:
    values = st.integers(-(2**52), 2**52) if kind == "long?" else CELLS[kind.rstrip("?")]
    return st.none() | values if kind.endswith("?") else values


def in_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value


def as_text(value: Any) -> str:
    return "" if value is None else str(in_json(value))


def as_csv(records: list[dict[str, Any]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    names = list(records[0])
    writer.writerows([names, *([as_text(record[name]) for name in names] for record in records)])
    return file.getvalue().encode()


def as_parquet(columns: dict[str, str], records: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    schema = pa.schema([(name, ARROW[kind.rstrip("?")]) for name, kind in columns.items()])
    pq.write_table(pa.Table.from_pylist(records, schema), file)
    return file.getvalue()


def as_v2(columns: dict[str, str], records: list[dict[str, Any]]) -> Any:
    return {
        "inputs": [
            {"name": name, "shape": [len(records)], "datatype": V2.get(kind.rstrip("?"), "BYTES"),
             "data": [record[name] for record in records]}
            for name, kind in columns.items()
        ]
    }  # fmt: skip


def batches(known: Signature, columns: dict[str, str], records: list[dict[str, Any]]) -> dict[str, Batch]:
    ready = [{name: in_json(value) for name, value in record.items()} for record in records]
    lists = [[record[name] for name in columns] for record in ready]
    forms: dict[str, Any] = {
        "plain": ready,
        "split": {"dataframe_split": {"columns": list(columns), "data": lists}},
        "records": {"dataframe_records": ready},
        "instances": {"instances": ready},
        "rows": {"instances": lists},
        "inputs": {"inputs": {name: [record[name] for record in ready] for name in columns}},
    }
    bodies = {name: (json.dumps(value).encode(), JSON) for name, value in forms.items()}
    bodies |= {"csv": (as_csv(records), CSV), "parquet": (as_parquet(columns, records), PARQUET)}
    tables = {
        name: decode_body(data, kind, Protocol.PREDICT, known, LIMITS).table for name, (data, kind) in bodies.items()
    }
    tables["v2"] = oip_v2.parse(json.loads(json.dumps(as_v2(columns, ready))), known, LIMITS).table
    if len(records) == 1:
        pairs = [(name, as_text(value)) for name, value in records[0].items()]
        tables["query"] = plain.parse_query(pairs, known, LIMITS).table
    return {name: known.check(table) for name, table in tables.items()}


@settings(max_examples=150)
@given(rows())
def test_the_same_rows_through_every_form_give_equal_batches(drawn: Rows) -> None:
    columns, records = drawn
    found = batches(signature(**columns), columns, records)
    expected = found.pop("plain")
    for form, batch in found.items():
        assert (batch.rows, list(batch.columns)) == (expected.rows, list(expected.columns)), form
        for name, column in batch.columns.items():
            assert column.dtype == expected.columns[name].dtype, (form, name)
            np.testing.assert_array_equal(column, expected.columns[name], err_msg=form)
