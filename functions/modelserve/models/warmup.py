"""The sample that warms up a loaded version, and shows whether each row has a prediction of its own."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from modelserve.core.errors import ServeError, VersionUnusable
from modelserve.models.protocols import Runtime
from modelserve.models.scorers.outputs import RowsMismatch, readable, row_values, score_rows
from modelserve.payloads import Limits
from modelserve.payloads.differences import compare
from modelserve.payloads.json import mlflow as invocations
from modelserve.payloads.json.input_example import find_example, read_example
from modelserve.payloads.predictions import encode
from modelserve.payloads.tables import from_records
from modelserve.schema.batch import Batch, take_rows
from modelserve.schema.signature import Signature, check_table
from modelserve.store.versions.manifest import Manifest

logger = logging.getLogger(__name__)

WARM_ROWS: Final = 10
# How far a prediction may move with the other rows of its batch: libraries add in another order for another shape.
TOLERANCE: Final = 1e-6
NO_LIMITS: Final = Limits(rows=1_000_000, columns=1_000_000, depth=100, cells=1_000_000_000)


@contextmanager
def as_version_error(step: str) -> Iterator[None]:
    """A flavor may raise any exception; raise VersionUnusable instead."""
    try:
        yield
    except ServeError:
        raise
    except Exception as error:
        raise VersionUnusable(f"This version does not {step}: its flavor raised {type(error).__name__}.") from error


def manifest_sample(manifest: Manifest | None, signature: Signature | None) -> Batch | None:
    if manifest is None or not manifest.sample:
        return None
    table = from_records(manifest.sample[:WARM_ROWS], signature, NO_LIMITS)
    return check_table(table, signature)


def saved_sample(directory: Path, signature: Signature | None) -> Batch | None:
    file = find_example(directory)
    if file is None:
        return None
    try:
        payload = invocations.parse(read_example(file), signature, NO_LIMITS)
        return check_table(payload.table, signature)
    except ServeError as error:
        logger.warning(
            "the model is not warmed up, because %s does not fit its signature: %s", file.name, error.message
        )
        return None


def warm(runtime: Runtime, batch: Batch | None, merges: bool | None = None) -> Mapping[str, Any]:
    """Score the sample with every method, since the first call is the slowest, and return the outputs. Raises
    VersionUnusable. `merges` says whether publishing found that rows are independent; if it is None, the sample
    decides."""
    if merges is not None:
        runtime.mergeable = merges
    if batch is None or not batch.rows:
        return {}
    with as_version_error("score its own sample"):
        outputs = runtime.score(batch, runtime.methods, {})
    if merges is None and batch.rows > 1:
        reason = dependence(runtime, batch, outputs, {})
        runtime.mergeable = reason is None
        if reason is not None:
            logger.warning("requests are not merged: %s", reason)
    return outputs


def dependence(runtime: Runtime, batch: Batch, outputs: Mapping[str, Any], params: Mapping[str, Any]) -> str | None:
    """Why requests must not be merged, or None: `outputs` of all rows together differ from those of the rows reversed,
    in halves or one by one."""
    rows = range(batch.rows)
    orders = {
        "reversed": [rows[::-1]],
        "in halves": [rows[: batch.rows // 2], rows[batch.rows // 2 :]],
        "one by one": [range(row, row + 1) for row in rows],
    }
    try:
        whole = {method: row_values(readable(output), batch.rows, method) for method, output in outputs.items()}
        for name, parts in orders.items():
            again = score_parts(runtime, batch, parts, params)
            for method, values in whole.items():
                expected = [values[row] for part in parts for row in part]
                if compare(as_json(expected), as_json(again[method]), TOLERANCE).counts:
                    return f"the rows of the sample get other answers of {method} {name} than together."
    except RowsMismatch as error:
        return error.message
    except Exception as error:
        return f"the model raises {type(error).__name__} on parts of its sample."
    return None


def score_parts(
    runtime: Runtime, batch: Batch, parts: Sequence[range], params: Mapping[str, Any]
) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {method: [] for method in runtime.methods}
    for part in parts:
        rows = take_rows(batch, part)
        for method, output in score_rows(runtime, rows, runtime.methods, params).items():
            found[method] += row_values(output, rows.rows, method)
    return found


def as_json(values: list[Any]) -> Any:
    return msgspec.json.decode(encode(values))
