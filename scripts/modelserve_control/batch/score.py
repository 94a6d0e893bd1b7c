"""`modelserve score`: checks and scores each row of a file as the functions do, and writes one row for each."""

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
from modelserve_control.batch.columns import Columns, classifier_columns, classifies, other_columns
from modelserve_control.batch.models import load_model
from modelserve_control.batch.row_results import RowScorer
from modelserve_control.common.mlflow_settings import silence
from modelserve_control.common.progress import Advance, Progress
from modelserve_control.registry.version_ref import model_uri

# Rows that are scored first, to learn the type of the results.
SAMPLE_ROWS = 100
# Small chunks share a row group, because each has its own metadata.
GROUP_ROWS = 100_000


class TooManyErrors(ServeError):
    """More rows failed than --max-errors allows."""

    code = "TOO_MANY_ERRORS"
    status = HTTPStatus.BAD_REQUEST


@dataclass(frozen=True)
class ScoreOptions:
    """`max_errors` None: any number of rows may fail."""

    model: str
    source: str
    output: str
    store: str | None = None
    batch_rows: int = 10_000
    method: str | None = None
    trust: str = "strict"
    max_errors: int | None = None
    overwrite: bool = False


def score(options: ScoreOptions, progress: Progress) -> dict[str, Any]:
    """Returns the counts. Raises ServeError; then OUTPUT does not exist."""
    table_files.check_addresses(options.source, options.output)
    uri = model_uri(options.model, options.store)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # removes temporary files, as Ctrl-C does
    # Finding the rows that a model fails on takes many failed calls, and each logs a traceback.
    logging.getLogger("modelserve.models.scorers.batching").setLevel(logging.CRITICAL)
    with (
        silence(),
        table_files.create(options.output, options.overwrite, progress) as path,
        table_files.fetch(options.source, progress) as source,
        load_model(uri, options.trust, progress) as loaded,
        asyncio.Runner() as runner,
    ):
        scoring.check_method(loaded, options.method)
        file = table_files.open_table(source, loaded.signature)
        scoring.check(loaded, file.header())  # a missing column is an error of the file, not of each row
        counts = run(file, RowScorer(loaded, options.method, runner), path, options, progress)
        subject = {"model": loaded.name, "version": loaded.version, "output": options.output}
    return subject | counts


def run(file: TableFile, scorer: RowScorer, path: Path, options: ScoreOptions, progress: Progress) -> dict[str, Any]:
    started = time.perf_counter()
    columns = decide_columns(file, scorer)
    with pq.ParquetWriter(path, columns.schema) as writer, progress.count("rows", file.count()) as advance:
        rows, failed = write(writer, score_chunks(file, scorer, columns, options), advance)
    seconds = time.perf_counter() - started
    speed = round(rows / seconds) if seconds else 0
    counts = {"rows": rows, "scored": rows - failed, "failed": failed}
    return counts | {"seconds": round(seconds, 3), "rows_per_second": speed}


def decide_columns(file: TableFile, scorer: RowScorer) -> Columns:
    """A classifier's are known; for other models the first scored rows decide."""
    loaded, method = scorer.loaded, scorer.method
    if classifies(loaded, method):
        return Columns(loaded, classifier_columns(loaded))
    samples = (scorer.outcomes(chunk) for chunk in file.chunks(SAMPLE_ROWS))
    seen = next((sample for sample in samples if any(isinstance(outcome, dict) for outcome in sample)), [])
    return Columns(loaded, other_columns(loaded, method, seen))


def score_chunks(
    file: TableFile, scorer: RowScorer, columns: Columns, options: ScoreOptions
) -> Iterator[tuple[pa.Table, int]]:
    """The rows of each chunk, and how many of them failed."""
    rows = failed = 0
    for chunk in file.chunks(options.batch_rows):
        table, errors = columns.table(scorer.outcomes(chunk))
        if options.max_errors is not None and failed + len(errors) > options.max_errors:
            last = sorted(errors)[options.max_errors - failed]
            raise TooManyErrors(
                f"More than {options.max_errors} rows cannot be scored, so nothing was written; the next was "
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
