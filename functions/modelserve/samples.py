"""The rows that a version is warmed up with, and what they tell about it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from modelserve.errors import ServeError, VersionError
from modelserve.payloads import Limits, invocations
from modelserve.payloads.predictions import jsonable
from modelserve.payloads.tables import from_records
from modelserve.runtimes import Runtime
from modelserve.runtimes.outputs import rows_of
from modelserve.signature import Batch, Signature, infer, one_row
from modelserve.store.manifest import Manifest

logger = logging.getLogger(__name__)

T = TypeVar("T")

WARM_ROWS: Final = 10
NO_LIMITS: Final = Limits(rows=1_000_000, columns=1_000_000, depth=100, cells=1_000_000_000)


def attempt(what: str, action: Callable[[], T]) -> T:
    """A flavor may raise anything; here it becomes an error of the version."""
    try:
        return action()
    except ServeError:
        raise
    except Exception as error:
        raise VersionError(f"This version does not {what}: its flavor raised {type(error).__name__}.") from error


def manifest_sample(manifest: Manifest | None, signature: Signature | None) -> Batch | None:
    if manifest is None or not manifest.sample:
        return None
    table = from_records(manifest.sample[:WARM_ROWS], signature, NO_LIMITS)
    return signature.check(table) if signature else infer(table)


def saved_sample(directory: Path, signature: Signature | None) -> Batch | None:
    """The input example that MLflow saved beside the model, in the form of a request."""
    saved = directory / "serving_input_example.json"
    if not saved.is_file():
        return None
    try:
        payload = invocations.parse(json.loads(saved.read_bytes()), signature, NO_LIMITS)
        return signature.check(payload.table) if signature else infer(payload.table)
    except (ServeError, ValueError):
        logger.warning("the input example beside the model does not fit its signature; the model is not warmed up")
        return None


def warm(runtime: Runtime, batch: Batch | None) -> None:
    """Score the sample with every method; the first call of a model is its slowest. Raises VersionError."""
    if batch is None or not batch.rows:
        return
    outputs = attempt("score its own sample", lambda: runtime.score(batch, runtime.methods, {}))
    if not runtime.mergeable and batch.rows > 1:
        runtime.mergeable = independent(runtime, batch, outputs)


def independent(runtime: Runtime, batch: Batch, outputs: Mapping[str, Any]) -> bool:
    """Whether every row gives alone what it gave among the others."""
    name = runtime.methods[0]
    together = jsonable(outputs[name])
    if rows_of(outputs[name]) != batch.rows:
        return False
    try:
        alone = [jsonable(runtime.score(one_row(batch, row), (name,), {})[name]) for row in range(batch.rows)]
    except Exception:
        return False
    return [item for part in alone for item in part] == list(together)
