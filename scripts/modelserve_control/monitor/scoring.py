"""The predictions of a version for columns that have none yet."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from modelserve.core.errors import ModelFailed, SignatureMismatch
from modelserve.models import scoring
from modelserve.models.version import Loaded
from modelserve.schema.batch import Table
from modelserve_control.batch.models import load_model
from modelserve_control.common.errors import NothingScored
from modelserve_control.common.mlflow_settings import silence
from modelserve_control.common.progress import Progress
from modelserve_control.monitor.profiles import score_answers
from modelserve_control.monitor.stats.answers import collect_answers

CHUNK: Final = 10_000


def score_columns(
    address: str, trust: str, columns: Mapping[str, Any], rows: int, progress: Progress
) -> dict[str, Any]:
    with silence(), load_model(address, trust, progress) as loaded:
        return score_loaded(loaded, columns, rows, progress)


def score_loaded(loaded: Loaded, columns: Mapping[str, Any], rows: int, progress: Progress) -> dict[str, Any]:
    """A chunk of rows that does not fit the version has no predictions, which is said."""
    results: list[dict[str, Any]] = []
    refused, reason = 0, ""
    names = loaded.signature.names if loaded.signature else list(columns)
    for start in range(0, rows, CHUNK):
        end = min(rows, start + CHUNK)
        cells = {name: list(map(as_cell, columns[name][start:end])) for name in names if name in columns}
        try:
            batch = scoring.check(loaded, Table(cells, end - start))
            results += score_answers(loaded.runtime, batch, scoring.check_params(loaded, {}))
        except (SignatureMismatch, ModelFailed) as error:
            refused += end - start
            results += [{}] * (end - start)
            reason = describe(error)
    if refused == rows > 0:
        raise NothingScored(f"None of the {rows:,} rows can be scored: {reason}")
    if refused:
        progress.say(f"warning: {refused:,} of {rows:,} rows have no prediction: {reason}")
    return collect_answers(results).columns() if refused < rows else {}


def describe(error: SignatureMismatch | ModelFailed) -> str:
    """With the columns that do not fit."""
    columns = Counter(f"{one['column']}: {one['reason']}" for one in error.details if one.get("column"))
    return " ".join([error.message, *(f"{text}." for text, _ in columns.most_common(3))])


def as_cell(value: Any) -> Any:
    """A value as JSON has it; what is missing is null."""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    return None if value != value else value
