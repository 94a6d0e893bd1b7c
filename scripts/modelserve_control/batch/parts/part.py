"""A batch of many files, cut into parts: each is read, scored and written by one function, wherever that runs.

A part is a file, or a run of row groups of a Parquet file. What it becomes depends on nothing but the version, the options and
its own rows, so it has the same bytes whoever scores it, and a part that is there already is not scored again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from modelserve.core.errors import ArtifactMissing, PreconditionFailed
from modelserve.models.version import Loaded
from modelserve.store.buckets.local import PRIVATE
from modelserve.store.buckets.objects import ObjectInfo, Objects
from modelserve.store.names.locations import Location
from modelserve_control.batch.files import table_files
from modelserve_control.batch.files.chunks import ParquetFile, raise_malformed
from modelserve_control.batch.files.patterns import Source, output_names
from modelserve_control.batch.files.remote import ObjectFile
from modelserve_control.batch.models import load_model
from modelserve_control.batch.rows.columns import Columns
from modelserve_control.batch.rows.row_results import RowScorer
from modelserve_control.batch.writing import PART, Counts, RowIds, RowWriter
from modelserve_control.common.progress import Advance, Progress
from modelserve_control.registry import catalog

# Rows of a part, which is at least one row group: so many take seconds, and what is lost with a process is scored again.
PART_ROWS: Final = 1_000_000


@dataclass(frozen=True)
class Job:
    """What all parts have in common, as JSON values. `kept` and `answers` are schemas."""

    uri: str
    trust: str
    method: str | None
    batch_rows: int
    output: str
    kept: str
    answers: str
    ids: tuple[str, str] | None = None
    unknown_categories: str = "accept"

    @cached_property
    def row_ids(self) -> RowIds | None:
        return RowIds(*self.ids) if self.ids else None


@dataclass(frozen=True)
class Part:
    """`name` is the output's. `key` says what it is made of; `rows` is 0 where they have not been counted."""

    address: str
    name: str
    key: str
    start: int = 0
    end: int | None = None
    first_row: int = 0
    rows: int = 0


def encode_schema(fields: Sequence[pa.Field]) -> str:
    return b64encode(pa.schema(fields).serialize().to_pybytes()).decode()


def decode_schema(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(b64decode(text)))


# --- planning ---


@dataclass(frozen=True)
class Survey:
    """The columns of a file, and its runs: first row group, the one after the last, first row, and rows."""

    fields: Sequence[pa.Field]
    runs: Sequence[tuple[int, int | None, int, int]]


# Of a source whose rows have not been counted.
ONE_RUN: Final = ((0, None, 0, 0),)


def survey(source: Source, progress: Progress) -> Survey:
    with table_files.open_part(source.address, None, progress) as file:
        runs = find_runs(file.group_rows) if isinstance(file, ParquetFile) else ONE_RUN
        return Survey(file.fields(), runs)


def find_runs(sizes: Sequence[int]) -> list[tuple[int, int | None, int, int]]:
    """Of the rows of each row group."""
    runs: list[tuple[int, int | None, int, int]] = []
    start = first = rows = 0
    for group, size in enumerate(sizes):
        if rows and rows + size > PART_ROWS:
            runs.append((start, group, first, rows))
            start, first, rows = group, first + rows, 0
        rows += size
    return [*runs, (start, len(sizes), first, rows)]


def plan_parts(job: Job, digest: str | None, sources: Sequence[Source], surveys: Sequence[Survey]) -> list[Part]:
    """In order. `digest` is the version's."""
    found = []
    common = {**asdict(job), "output": None, "uri": digest or job.uri}
    for source, name, one in zip(sources, output_names(sources), surveys, strict=True):
        for place, (start, end, first, rows) in enumerate(one.runs):
            number = f"-{place:05}" if len(one.runs) > 1 else ""
            made_of = json.dumps([common, source.name, source.stamp, start, end], sort_keys=True)
            key = hashlib.sha256(made_of.encode()).hexdigest()
            found.append(Part(source.address, f"{name}{number}.parquet", key, start, end, first, rows))
    return found


# --- scoring ---


class PartScorer:
    """Scores parts of a job, one after the other."""

    def __init__(self, job: Job, loaded: Loaded, runner: asyncio.Runner, progress: Progress) -> None:
        self.job = job
        self.progress = progress
        self.scorer = RowScorer(loaded, job.method, runner)
        answers = {one.name: one.type for one in decode_schema(job.answers)}
        self.columns = Columns(loaded, answers, list(decode_schema(job.kept)))

    def score(self, part: Part, advance: Advance = lambda _: None) -> Counts:
        job, loaded = self.job, self.scorer.loaded
        with (
            open_output(job.output) as (objects, prefix),
            scratch(job.output) as directory,
            table_files.open_part(part.address, loaded.signature, self.progress, part.start, part.end) as file,
        ):
            writer = RowWriter(file, self.scorer, self.columns, job.batch_rows, job.row_ids, part.first_row)
            path = directory / "part.parquet"
            counts = writer.write(path, advance, part.key)
            install(objects, f"{prefix}{part.name}", path, part.key)
        return counts


@contextmanager
def open_scorer(job: Job, progress: Progress) -> Iterator[PartScorer]:
    with load_model(job.uri, job.trust, progress, job.unknown_categories) as loaded, asyncio.Runner() as runner:
        yield PartScorer(job, loaded, runner, progress)


# --- the output ---


def output_location(output: str) -> Location:
    if output.startswith(table_files.BUCKET):
        return table_files.object_at(output)
    return Location("file", os.path.abspath(output))


@contextmanager
def open_output(output: str) -> Iterator[tuple[Objects, str]]:
    """The bucket, and what the names in it begin with."""
    location = output_location(output)
    with closing(catalog.open_location(location)) as objects:
        yield objects, f"{location.prefix}/" if location.prefix else ""


@contextmanager
def scratch(output: str) -> Iterator[Path]:
    """A directory for files that are not whole. That of a killed process beside a local output goes with the next batch."""
    root = None if output.startswith(table_files.BUCKET) else Path(output, PRIVATE)
    if root is not None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(prefix="modelserve-", dir=root) as directory:
        yield Path(directory)


def install(objects: Objects, name: str, path: Path, key: str) -> None:
    """An engine may score a part twice, even at once: both are the same. Raises PreconditionFailed for another file."""
    try:
        objects.create(name, path)
    except PreconditionFailed:
        info = objects.stat(name)
        footer = read_footer(objects, info) if info else None
        if footer is None or footer["key"] != key:
            raise


def read_counts(objects: Objects, name: str) -> Counts:
    """Raises ArtifactMissing."""
    info = objects.stat(name)
    footer = read_footer(objects, info) if info else None
    if footer is None:
        raise ArtifactMissing(f"The part {name} was not written.")
    return Counts.from_json(footer)


def read_footer(objects: Objects, info: ObjectInfo) -> dict[str, Any] | None:
    """What a part says about itself; None of another file."""
    with raise_malformed("Parquet"):
        metadata = pq.read_metadata(cast(IO[bytes], ObjectFile(objects, info))).metadata or {}
    found: dict[str, Any] | None = json.loads(metadata[PART]) if PART in metadata else None
    return found
