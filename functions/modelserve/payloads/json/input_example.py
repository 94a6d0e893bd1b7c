"""The input example that MLflow saves beside a model, as a body of /invocations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from modelserve.core.errors import MalformedRequest

SERVING_FILE: Final = "serving_input_example.json"  # a body of /invocations, which MLflow writes since 2.14
DATA_FILE: Final = "input_example.json"  # the rows alone, which every MLflow writes
SPLIT: Final = frozenset({"columns", "data", "index"})
SPARSE: Final = frozenset({"data", "indices", "indptr", "shape"})


def find_example(directory: Path) -> Path | None:
    files = (directory / name for name in (SERVING_FILE, DATA_FILE))
    return next((file for file in files if file.is_file()), None)


def read_example(file: Path) -> Any:
    """Raises MalformedRequest."""
    value = decode(file.read_bytes())
    return value if file.name == SERVING_FILE else as_body(value)


def decode(data: bytes) -> Any:
    """Null for what MLflow writes where a value is missing: NaN, which JSON does not have, and "NaT" for a datetime.

    Raises MalformedRequest."""
    try:
        found = data.replace(b'"NaT"', b"null")
        return json.loads(found, parse_constant=lambda name: None if name == "NaN" else float(name))
    except (ValueError, RecursionError) as error:
        raise MalformedRequest("The file is not valid JSON.") from error


def as_body(value: Any) -> Any:
    """A table is written without its form, and params beside the rows (mlflow/models/utils.py)."""
    if type(value) is dict and value.keys() == {"inputs", "params"}:
        return as_body(value["inputs"]) | {"params": value["params"]}
    if type(value) is dict and value.keys() >= SPARSE:
        raise MalformedRequest("The rows are a sparse matrix, which no request can hold.")
    if type(value) is dict and "data" in value and value.keys() <= SPLIT:
        return {"dataframe_split": value}
    return value if type(value) is dict and value.keys() == {"inputs"} else {"inputs": value}
