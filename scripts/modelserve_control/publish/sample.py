"""A few rows of a model's input, from `--data` or from the input example of MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from modelserve.core.errors import BadInput, BadSetting, MalformedRequest, SignatureMismatch
from modelserve.payloads import Limits, Payload, parquet, predictions
from modelserve.payloads import csv as text_csv
from modelserve.payloads.json import mlflow as invocations
from modelserve.payloads.json import records as plain
from modelserve.payloads.json.input_example import decode, find_example, read_example
from modelserve.schema.batch import Batch, Table
from modelserve.schema.signature import MAX_DETAILS, CellErrors, Signature, check_table
from modelserve.schema.types import MISSING
from modelserve_control.common.options import CSV, ENDINGS, JSON, JSON_LINES, PARQUET

COLUMNS = 20  # so many are named where most cells of a large sample are bad
ROWS = 5  # a warm-up needs one; a few show that the model takes several
# The publisher is trusted; these limits only prevent that a mistake fills the memory.
LIMITS = Limits(rows=1_000_000, columns=100_000, depth=64, cells=1_000_000_000)


def read(path: Path, signature: Signature | None) -> Payload:
    """Read Parquet, CSV, JSON (a list of records, or any body of /invocations) or JSON lines with the checks of the server."""
    kind = path.suffix.lower()
    data = path.read_bytes()
    try:
        if kind == PARQUET:
            return parquet.parse(data, signature, LIMITS)
        if kind == CSV:
            return text_csv.parse(data, signature, LIMITS)
        if kind == JSON:
            return parse(decode(data), signature)
        if kind == JSON_LINES:
            return plain.parse([decode(line) for line in data.splitlines() if line.strip()], signature, LIMITS)
    except BadInput as error:
        raise MalformedRequest(f"{path.name} cannot be read as a sample: {error.message}", error.details) from error
    raise BadSetting(f"A sample must be a {ENDINGS} file; {path.name} is none of them.")


def parse(value: Any, signature: Signature | None) -> Payload:
    if invocations.is_form(value, signature):
        return invocations.parse(value, signature, LIMITS)
    return plain.parse(value, signature, LIMITS)


def check(table: Table, signature: Signature) -> Batch:
    """As the signature does. Of more bad cells than one answer lists, those of the first column do not hide the others."""
    try:
        return signature.check(table)
    except SignatureMismatch as error:
        if len(error.details) < MAX_DETAILS:
            raise
        message = error.message.replace("are listed", "of each column are listed")
        details = [detail for detail in error.details if detail["row"] is None]
    for column in signature.columns:
        bad = CellErrors()
        bad.name = column.name
        column.kind.check(table.columns.get(column.name, ()), column.required, bad)
        details += bad.details
        if len(details) > COLUMNS * MAX_DETAILS:
            break
    raise SignatureMismatch(message, details)


def input_example(directory: Path, signature: Signature | None) -> Payload | None:
    """The input example of the model, if it has one."""
    file = find_example(directory)
    if file is None:
        return None
    try:
        payload = parse(read_example(file), signature)
        check_table(payload.table, signature)
    except BadInput as error:
        message = f"The model's {file.name} is no sample of its input: {error.message} Publish it with --data FILE."
        raise type(error)(message, error.details) from error
    return payload


def records(table: Table) -> list[dict[str, Any]]:
    """The first rows as JSON records, without missing cells."""
    rows = range(min(table.rows, ROWS))
    names = table.columns.items()
    return [{name: json_cell(values[row]) for name, values in names if values[row] is not MISSING} for row in rows]


def json_cell(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value))
    return predictions.plain(value)
