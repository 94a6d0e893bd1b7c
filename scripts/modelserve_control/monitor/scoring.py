"""The predictions of a version for columns that have none yet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from modelserve.core.errors import SignatureMismatch, join_reasons
from modelserve.models import scoring
from modelserve.models.scoring import RowResult
from modelserve.models.version import Loaded
from modelserve.schema.batch import Batch, Table
from modelserve_control.batch.models import load_model
from modelserve_control.batch.rows.row_results import RowChecker
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


class AnswerScorer(RowChecker):
    """Gives result objects of the plain form, without a presentation."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.params = scoring.check_params(loaded, {})

    def check(self, table: Table) -> Batch:
        return scoring.check(self.loaded, table)

    def predict(self, batch: Batch) -> list[RowResult]:
        return [*score_answers(self.loaded.runtime, batch, self.params)]


def score_loaded(loaded: Loaded, columns: Mapping[str, Any], rows: int, progress: Progress) -> dict[str, Any]:
    """A row that does not fit the version has no prediction, which is said."""
    names = [name for name in (loaded.signature.names if loaded.signature else columns) if name in columns]
    scorer = AnswerScorer(loaded)
    results: list[dict[str, Any]] = []
    reasons: Counter[str] = Counter()
    if rows:
        check_header(scorer, names, rows)
    for start in range(0, rows, CHUNK):
        end = min(rows, start + CHUNK)
        table = Table({name: list(map(as_cell, columns[name][start:end])) for name in names}, end - start)
        outcomes = scorer.score_table(table)
        results += [{} if isinstance(outcome, str) else outcome for outcome in outcomes]
        reasons.update(outcome for outcome in outcomes if isinstance(outcome, str))
    refused = reasons.total()
    if refused == rows > 0:
        raise NothingScored(f"None of the {rows:,} rows can be scored: {describe(reasons)}")
    if refused:
        progress.say(f"warning: {refused:,} of {rows:,} rows have no prediction: {describe(reasons)}")
    return collect_answers(results).columns() if refused < rows else {}


def check_header(scorer: AnswerScorer, names: Sequence[str], rows: int) -> None:
    """Without a required column no row can be scored, and none need be tried."""
    try:
        scorer.check(Table({name: [] for name in names}, 0))
    except SignatureMismatch as error:
        raise NothingScored(f"None of the {rows:,} rows can be scored: {join_reasons(error.details)}.") from error


def describe(reasons: Counter[str]) -> str:
    return " ".join(f"{reason.removesuffix('.')}." for reason, _ in reasons.most_common(3))


def as_cell(value: Any) -> Any:
    """A value as JSON has it; what is missing is null."""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    return None if value != value else value
