"""Scoring a file: every row judged and scored as at the functions' doors, and one row out for each row in."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modelserve.core.errors import ServeError
from modelserve.models import scoring
from modelserve_control.batch import table_files
from modelserve_control.batch.chunks import TableFile
from modelserve_control.batch.columns import Columns, classifier_answers, classifies, other_answers
from modelserve_control.batch.models import model
from modelserve_control.batch.row_results import RowScorer
from modelserve_control.common.mlflow_settings import silent
from modelserve_control.common.progress import Advance, Progress
from modelserve_control.registry.version_ref import model_uri

# How many rows are scored beforehand to learn what the model answers.
LOOK_ROWS = 100
# Parquet's readers skip and parallelise by row groups, and each costs metadata: small chunks share one.
GROUP_ROWS = 100_000


class TooManyErrors(ServeError):
    """The limit of --max-errors was passed."""

    code = "TOO_MANY_ERRORS"
    status = HTTPStatus.BAD_REQUEST


@dataclass(frozen=True)
class Order:
    """What to score, and how. `max_errors` None: any number of rows may fail."""

    model: str
    source: str
    output: str
    store: str | None = None
    batch_rows: int = 10_000
    method: str | None = None
    trust: str = "strict"
    max_errors: int | None = None
    overwrite: bool = False


def score(order: Order, progress: Progress) -> dict[str, Any]:
    """The counts. Raises ServeError when nothing could be written; then there is nothing at OUTPUT."""
    table_files.check_addresses(order.source, order.output)
    uri = model_uri(order.model, order.store)
    # Its files are removed on the way out, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Each failed call logs a traceback, and there is one for every part in which a raising row is looked for.
    logging.getLogger("modelserve.models.scorers.batching").setLevel(logging.CRITICAL)
    with (
        silent(),
        table_files.created(order.output, order.overwrite, progress) as path,
        table_files.fetched(order.source, progress) as source,
        model(uri, order.trust, progress) as loaded,
        asyncio.Runner() as runner,
    ):
        scoring.check_method(loaded, order.method)
        file = table_files.opened(source, loaded.signature)
        # A column that is missing is missing in every row: that is no reason for a row but for the file.
        scoring.check(loaded, file.header())
        counts = run(file, RowScorer(loaded, order.method, runner), path, order, progress)
        done = {"model": loaded.name, "version": loaded.version, "output": order.output}
    return done | counts


def run(file: TableFile, scorer: RowScorer, path: Path, order: Order, progress: Progress) -> dict[str, Any]:
    started = time.perf_counter()
    columns = columns_of(file, scorer)
    with pq.ParquetWriter(path, columns.schema) as writer, progress.rows(file.count()) as advance:
        rows, failed = write(writer, scored(file, scorer, columns, order), advance)
    seconds = time.perf_counter() - started
    speed = round(rows / seconds) if seconds else 0
    counts = {"rows": rows, "scored": rows - failed, "failed": failed}
    return counts | {"seconds": round(seconds, 3), "rows_per_second": speed}


def columns_of(file: TableFile, scorer: RowScorer) -> Columns:
    """A classifier's are known; of any other model the first rows that it scores are looked at."""
    loaded, method = scorer.loaded, scorer.method
    if classifies(loaded, method):
        return Columns(loaded, classifier_answers(loaded))
    looks = (scorer.outcomes(chunk) for chunk in file.chunks(LOOK_ROWS))
    seen = next((look for look in looks if any(isinstance(outcome, dict) for outcome in look)), [])
    return Columns(loaded, other_answers(loaded, method, seen))


def scored(file: TableFile, scorer: RowScorer, columns: Columns, order: Order) -> Iterator[tuple[pa.Table, int]]:
    """Each chunk's rows, and how many of them failed."""
    rows = failed = 0
    for chunk in file.chunks(order.batch_rows):
        table, errors = columns.table(scorer.outcomes(chunk))
        if order.max_errors is not None and failed + len(errors) > order.max_errors:
            last = sorted(errors)[order.max_errors - failed]
            raise TooManyErrors(
                f"More than {order.max_errors} rows cannot be scored, so nothing was written; the next was "
                f"row {rows + last}: {errors[last]}."
            )
        yield table, len(errors)
        rows, failed = rows + chunk.rows, failed + len(errors)


def write(writer: pq.ParquetWriter, parts: Iterable[tuple[pa.Table, int]], advance: Advance) -> tuple[int, int]:
    """Rows, and how many of them failed."""
    rows = failed = waiting = 0
    group: list[pa.Table] = []
    for table, errors in parts:
        group.append(table)
        rows, failed, waiting = rows + len(table), failed + errors, waiting + len(table)
        advance(len(table))
        if waiting >= GROUP_ROWS:
            writer.write_table(pa.concat_tables(group))
            group, waiting = [], 0
    if group:
        writer.write_table(pa.concat_tables(group))
    return rows, failed
