"""The rows that a version is warmed up with, and what they tell about it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from modelserve.core.errors import ServeError, VersionUnusable
from modelserve.models.protocols import Runtime
from modelserve.models.scorers.outputs import RowsMismatch, readable, row_values, score_rows
from modelserve.payloads import Limits
from modelserve.payloads.differences import compare
from modelserve.payloads.json import mlflow as invocations
from modelserve.payloads.predictions import encode
from modelserve.payloads.tables import from_records
from modelserve.schema.batch import Batch, take_rows
from modelserve.schema.signature import Signature, check_table
from modelserve.store.versions.manifest import Manifest

logger = logging.getLogger(__name__)

T = TypeVar("T")

WARM_ROWS: Final = 10
# How far the answer to a row may move with the rows beside it: libraries add in another order for another shape.
TOLERANCE: Final = 1e-6
NO_LIMITS: Final = Limits(rows=1_000_000, columns=1_000_000, depth=100, cells=1_000_000_000)


def attempt(what: str, action: Callable[[], T]) -> T:
    """A flavor may raise anything; here it becomes an error of the version."""
    try:
        return action()
    except ServeError:
        raise
    except Exception as error:
        raise VersionUnusable(f"This version does not {what}: its flavor raised {type(error).__name__}.") from error


def manifest_sample(manifest: Manifest | None, signature: Signature | None) -> Batch | None:
    if manifest is None or not manifest.sample:
        return None
    table = from_records(manifest.sample[:WARM_ROWS], signature, NO_LIMITS)
    return check_table(table, signature)


def saved_sample(directory: Path, signature: Signature | None) -> Batch | None:
    """The input example that MLflow saved beside the model, in the form of a request."""
    saved = directory / "serving_input_example.json"
    if not saved.is_file():
        return None
    try:
        payload = invocations.parse(json.loads(saved.read_bytes()), signature, NO_LIMITS)
        return check_table(payload.table, signature)
    except (ServeError, ValueError):
        logger.warning("the input example beside the model does not fit its signature; the model is not warmed up")
        return None


def warm(runtime: Runtime, batch: Batch | None, merges: bool | None = None) -> None:
    """Score the sample with every method; the first call of a model is its slowest. Raises VersionUnusable.

    `merges` is what publishing found out about the model's rows. Where nothing is known the sample has to show it.
    """
    if merges is not None:
        runtime.mergeable = merges
    if batch is None or not batch.rows:
        return
    outputs = attempt("score its own sample", lambda: runtime.score(batch, runtime.methods, {}))
    if merges is None and batch.rows > 1:
        reason = dependence(runtime, batch, outputs, {})
        runtime.mergeable = reason is None
        if reason is not None:
            logger.warning("requests are not merged: %s", reason)


def dependence(runtime: Runtime, batch: Batch, outputs: Mapping[str, Any], params: Mapping[str, Any]) -> str | None:
    """Why requests must not be merged: the rows scored together gave `outputs`, and give something else reversed, in
    halves or one by one. None when each row has its own answer, whatever stands beside it."""
    rows = range(batch.rows)
    orders = {
        "reversed": [rows[::-1]],
        "in halves": [rows[: batch.rows // 2], rows[batch.rows // 2 :]],
        "one by one": [range(row, row + 1) for row in rows],
    }
    try:
        whole = {method: row_values(readable(output), batch.rows, method) for method, output in outputs.items()}
        for name, parts in orders.items():
            again = answers(runtime, batch, parts, params)
            for method, values in whole.items():
                if compare(
                    as_json([values[row] for part in parts for row in part]), as_json(again[method]), TOLERANCE
                ).counts:
                    return f"the rows of the sample get other answers of {method} {name} than together."
    except RowsMismatch as error:
        return error.message
    except Exception as error:
        return f"the model raises {type(error).__name__} on parts of its sample."
    return None


def answers(runtime: Runtime, batch: Batch, parts: Sequence[range], params: Mapping[str, Any]) -> dict[str, list[Any]]:
    """JSON values per method, in the order of the parts."""
    found: dict[str, list[Any]] = {method: [] for method in runtime.methods}
    for part in parts:
        rows = take_rows(batch, part)
        for method, output in score_rows(runtime, rows, runtime.methods, params).items():
            found[method] += row_values(output, rows.rows, method)
    return found


def as_json(values: list[Any]) -> Any:
    """As a client reads them: two missing numbers are the same."""
    return msgspec.json.decode(encode(values))
