"""A few rows of a model's input, from `--data` or from the input example of MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from modelserve.core.errors import BadInput, BadSetting, MalformedRequest
from modelserve.payloads import Limits, Payload, parquet, predictions
from modelserve.payloads import csv as text_csv
from modelserve.payloads.json import mlflow as invocations
from modelserve.payloads.json import records as plain
from modelserve.payloads.json.input_example import decode, find_example, read_example
from modelserve.schema.batch import Table
from modelserve.schema.signature import Signature, check_table
from modelserve.schema.types import MISSING

ROWS = 5  # a warm-up needs one; a few show that the model takes several
# The publisher is trusted; these limits only prevent that a mistake fills the memory.
LIMITS = Limits(rows=1_000_000, columns=100_000, depth=64, cells=1_000_000_000)


def read(path: Path, signature: Signature | None) -> Payload:
    """Read Parquet, CSV or JSON (a list of records, or any body of /invocations) with the checks of the server."""
    kind = path.suffix.lower()
    data = path.read_bytes()
    try:
        if kind == ".parquet":
            return parquet.parse(data, signature, LIMITS)
        if kind == ".csv":
            return text_csv.parse(data, signature, LIMITS)
        if kind == ".json":
            return parse(decode(data), signature)
    except BadInput as error:
        raise MalformedRequest(f"{path.name} cannot be read as a sample: {error.message}", error.details) from error
    raise BadSetting(f"A sample must be a .parquet, .csv or .json file; {path.name} is none of them.")


def parse(value: Any, signature: Signature | None) -> Payload:
    if invocations.is_form(value, signature):
        return invocations.parse(value, signature, LIMITS)
    return plain.parse(value, signature, LIMITS)


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
