"""`modelserve score`: checks and scores each row as the functions do, and writes one row for each."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, cast

import pyarrow as pa

from modelserve.core.errors import BadSetting
from modelserve.models import scoring
from modelserve.models.version import Loaded
from modelserve_control.batch.files import patterns, table_files
from modelserve_control.batch.files.chunks import TableFile
from modelserve_control.batch.files.patterns import Source
from modelserve_control.batch.models import keep_pandas_out, load_model, pin
from modelserve_control.batch.parts import part as parts
from modelserve_control.batch.parts import workers
from modelserve_control.batch.parts.run import Runner, run_parts
from modelserve_control.batch.rows.columns import Columns
from modelserve_control.batch.rows.inputs import known_texts
from modelserve_control.batch.rows.row_results import RowScorer
from modelserve_control.batch.rows.unknown import find_warnings
from modelserve_control.batch.writing import (
    ROW,
    Counts,
    RowIds,
    RowWriter,
    check_kept,
    choose_kept,
    decide_answers,
    default_batch_rows,
    id_fields,
    parse_ids,
    unify_kept,
)
from modelserve_control.common.mlflow_settings import silence
from modelserve_control.common.output import check_installed, terminate_as_interrupt
from modelserve_control.common.progress import Progress
from modelserve_control.registry.version_ref import model_uri

if TYPE_CHECKING:  # Google's clients are loaded only for a bq:// address
    from modelserve_control.batch.files.bigquery import BigQueryTable
    from modelserve_control.batch.files.bigquery_output import TableOutput

MAX_SHOWN_REASONS: Final = 3


@dataclass(frozen=True)
class ScoreOptions:
    """`max_errors` None: any number of rows may fail. `keep` None: all columns that the model does not take. `batch_rows` None:
    see `default_batch_rows`."""

    model: str
    source: str
    output: str
    store: str | None = None
    batch_rows: int | None = None
    method: str | None = None
    trust: str = "strict"
    unknown_categories: str = "accept"
    max_errors: int | None = None
    overwrite: bool = False
    keep: Sequence[str] | None = None
    ids: str | None = None
    month: str | None = None
    processes: int | None = None
    runner: str | None = None
    project: str | None = None
    region: str | None = None
    temp_location: str | None = None
    container_image: str | None = None
    beam: Sequence[str] = ()

    def beam_options(self) -> list[str]:
        """As on Beam's command line."""
        is_dataflow = self.runner == "DataflowRunner"
        found = {
            "project": self.project if is_dataflow else None,
            "region": self.region,
            "temp_location": self.temp_location,
            "sdk_container_image": self.container_image,
            "sdk_location": "container" if self.container_image else None,  # Beam is in the image; nothing is staged
        }
        if is_dataflow and not (self.project and self.region and self.temp_location):
            raise BadSetting("The DataflowRunner needs --project, --region and --temp-location.")
        flags = ["--no_save_main_session"] if is_dataflow else []  # or what __main__ has would be staged
        named = [f"--{name}={value}" for name, value in found.items() if value]
        return [*flags, *named, *(f"--{one}" for one in self.beam)]


def score(options: ScoreOptions, progress: Progress) -> dict[str, Any]:
    """Returns the counts. Raises ServeError; then a file or a table OUTPUT is as before, and a directory has no `_SUCCESS`."""
    source, output = (patterns.fill_month(one, options.month) for one in (options.source, options.output))
    ids = parse_ids(patterns.fill_month(options.ids, options.month, [ROW]) if options.ids else None)
    uri = model_uri(options.model, options.store, progress)
    check_addresses(source, output, uri, ids, options)
    terminate_as_interrupt()  # removes temporary files, as Ctrl-C does
    # Finding the rows that a model fails on takes many failed calls, and each logs a traceback.
    logging.getLogger("modelserve.models.scorers.batching").setLevel(logging.CRITICAL)
    with silence():
        if table_files.is_table(output):
            return score_into_table(find_sources(source), output, uri, ids, options, progress)
        if not is_directory(output):
            return score_file(source, output, uri, ids, options, progress)
        sources = find_sources(source)
        if not table_files.is_table(source):
            patterns.check_output(source, output, patterns.output_names(sources))
        if ids and len(sources) > 1:
            progress.say(f"warning: {{row}} counts anew in each of {len(sources):,} files, so {ids.name} repeats")
        return score_files(sources, output, uri, ids, options, progress)


def check_addresses(source: str, output: str, uri: str, ids: RowIds | None, options: ScoreOptions) -> None:
    """Raises BadSetting."""
    if patterns.relative(output, source) == "":
        raise BadSetting(f"{output} is also the input, and its rows would be lost: name another output.")
    tables = [one for one in (source, output) if table_files.is_table(one)]
    if ids and table_files.is_table(source):
        raise BadSetting("--id numbers the rows of INPUT, and a table has no order.")
    if options.runner and tables:
        raise BadSetting(f"--runner scores files into files: {tables[0]} is a table.")
    if options.runner == "DataflowRunner" and not all(
        one.startswith(table_files.BUCKET) for one in (source, output, uri)
    ):
        raise BadSetting("The workers of the DataflowRunner see no files of this machine: use gs:// addresses.")
    if is_directory(output) or table_files.is_table(output):
        return
    if options.runner:
        raise BadSetting("--runner scores into a directory or a prefix: let OUTPUT end with /.")
    if patterns.is_pattern(source):
        raise BadSetting(f"Many files are scored into a directory or a prefix, which ends with /; {output} does not.")
    table_files.check_addresses(source, output)


def is_directory(output: str) -> bool:
    return output.endswith("/") or os.path.isdir(output)


def find_sources(source: str) -> list[Source]:
    if table_files.is_table(source):
        return [Source(source, table_files.bigquery_tables().parse(source).table, "")]
    return patterns.find_sources(source) if patterns.is_pattern(source) else [patterns.find_source(source)]


def score_file(
    source: str, output: str, uri: str, ids: RowIds | None, options: ScoreOptions, progress: Progress
) -> dict[str, Any]:
    with (
        table_files.create(output, options.overwrite, progress) as path,
        table_files.open_source(source, progress) as open_file,
        load_model(uri, options.trust, progress, options.unknown_categories) as loaded,
        asyncio.Runner() as runner,
    ):
        started = time.perf_counter()
        keep_pandas_out(loaded)
        scorer = RowScorer(loaded, options.method, runner)
        file = open_file(loaded.signature)
        columns = choose_columns(file, scorer, ids, options, progress)
        writer = RowWriter(
            file,
            scorer,
            columns,
            options.batch_rows or default_batch_rows(loaded.signature),
            ids,
            max_errors=options.max_errors,
        )
        with progress.count("rows", file.count()) as advance:
            counts = writer.write(path, advance)
        return describe(loaded, output, counts, counts, started, progress)


def score_into_table(
    sources: Sequence[Source], output: str, uri: str, ids: RowIds | None, options: ScoreOptions, progress: Progress
) -> dict[str, Any]:
    table = table_files.bigquery_output(output, options.overwrite)
    with TemporaryDirectory(prefix="modelserve-") as scratch:
        counts = score_files(sources, f"{scratch}/", uri, ids, options, progress, table)
        if counts["scored"] or not counts["rows"]:
            table.replace(sorted(Path(scratch).rglob("*.parquet")), progress)
    return counts | {"output": output}


def score_files(
    sources: Sequence[Source],
    output: str,
    uri: str,
    ids: RowIds | None,
    options: ScoreOptions,
    progress: Progress,
    table: TableOutput | None = None,
) -> dict[str, Any]:
    """`table` is where the files are loaded afterwards: their columns have its types."""
    with load_model(uri, options.trust, progress, options.unknown_categories) as loaded, asyncio.Runner() as runner:
        started = time.perf_counter()
        keep_pandas_out(loaded)
        scorer = RowScorer(loaded, options.method, runner)
        with table_files.open_part(sources[0].address, loaded.signature, progress) as file:
            columns = choose_columns(file, scorer, ids, options, progress)
            carried = [one for one in columns.kept if ids is None or one.name != ids.name]
            sources, surveys, carried = survey_sources(file, sources, carried, progress)
        kept = [*id_fields(ids), *carried]
        if table is not None:
            kept = table.choose_schema(kept, Columns(loaded, columns.answers).schema)
        job = parts.Job(
            pin(uri, loaded),
            options.trust,
            options.method,
            options.batch_rows or default_batch_rows(loaded.signature),
            output,
            parts.encode_schema(kept),
            parts.encode_schema(list(columns.answers.items())),
            (ids.name, ids.pattern) if ids else None,
            options.unknown_categories,
        )
        planned = parts.plan_parts(job, loaded.digest, sources, surveys)
        here = partial(workers.run_here, parts.PartScorer(job, loaded, runner, progress))
        run = choose_runner(options, len(planned), here)
        counts, scored = run_parts(job, planned, run, options.overwrite, options.max_errors, progress)
        return describe(loaded, output, counts, scored, started, progress) | {"parts": len(planned)}


def survey_sources(
    file: TableFile, sources: Sequence[Source], carried: Sequence[pa.Field], progress: Progress
) -> tuple[Sequence[Source], list[parts.Survey], list[pa.Field]]:
    """`file` is the first of the sources. Each stream of a table becomes a source. The fields hold the columns of all sources."""
    first = sources[0]
    if table_files.is_table(first.address):
        table = cast("BigQueryTable", file)
        streams = table.split(list(dict.fromkeys([*table.names, *(one.name for one in carried)])))
        sources = [
            Source(f"{first.address}#{stream}", f"{first.name}-{number:05}", stream)
            for number, stream in enumerate(streams)
        ]
        runs = [(0, None, 0, table.rows // max(1, len(streams)))]  # an estimate
        return sources, [parts.Survey(file.fields(), runs) for _ in sources], list(carried)
    surveys = [parts.survey(source, progress) for source in sources]
    files = {source.address: one.fields for source, one in zip(sources, surveys, strict=True)}
    return sources, surveys, unify_kept(carried, files)


def choose_runner(options: ScoreOptions, count: int, here: Runner) -> Runner:
    """Raises PackagesMissing."""
    if options.runner is not None:
        check_installed(("beam",))
        from modelserve_control.batch.parts.beam import BeamRunner

        return BeamRunner(options.runner, options.beam_options())
    processes = min(options.processes or len(os.sched_getaffinity(0)), count)
    return partial(workers.run_processes, processes) if processes > 1 else here


def choose_columns(
    file: TableFile, scorer: RowScorer, ids: RowIds | None, options: ScoreOptions, progress: Progress
) -> Columns:
    """Raises SignatureMismatch for a missing column, which is an error of the file, not of each row."""
    scoring.check_method(scorer.loaded, options.method)
    scoring.check(scorer.loaded, file.header())
    answers = decide_answers(file, scorer)
    kept, taken = choose_kept(file, Columns(scorer.loaded, answers), options.keep, ids)
    check_kept(kept)
    if taken:
        progress.say(f"not kept, since the output has columns of these names: {', '.join(taken)}")
    return Columns(scorer.loaded, answers, kept)


def describe(
    loaded: Loaded, output: str, counts: Counts, scored: Counts, started: float, progress: Progress
) -> dict[str, Any]:
    """The rate is that of what was `scored` now; parts that were there already are counted, and took no time."""
    seconds = time.perf_counter() - started
    for warning in find_warnings(counts.categories, known_texts(loaded)):
        progress.say(f"warning: {warning}")
    return {
        "model": loaded.name,
        "version": loaded.version,
        "output": output,
        "rows": counts.rows,
        "scored": counts.rows - counts.failed,
        "failed": counts.failed,
        "unknown_categories": counts.unknown_categories,
        "reasons": dict(counts.reasons.most_common(MAX_SHOWN_REASONS)),
        "seconds": round(seconds, 3),
        "rows_per_second": round(scored.rows / seconds) if seconds else 0,
    }
