"""Reading, scoring and writing the rows of one file, or of a part of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelserve.core.errors import BadSetting, ServeError
from modelserve.payloads import tables
from modelserve.schema.signature import Signature
from modelserve.schema.types import Boolean, Datetime, FloatType, IntegerType, String
from modelserve_control.batch.files.chunks import Piece, TableFile
from modelserve_control.batch.rows.columns import OWN_COLUMNS, Columns, classifier_columns, classifies, other_columns
from modelserve_control.batch.rows.piece_scorer import PieceScorer
from modelserve_control.batch.rows.row_results import RowScorer
from modelserve_control.batch.rows.unknown import ColumnTexts
from modelserve_control.common.progress import Advance

# Rows that are scored first, to learn the type of the results.
SAMPLE_ROWS: Final = 100
# Rows of a call.
MIN_BATCH_ROWS: Final = 10_000
MAX_BATCH_ROWS: Final = 100_000
MAX_CELLS: Final = 2_000_000
SCALARS: Final = (Boolean, Datetime, FloatType, IntegerType, String)
# Small pieces share a row group, because each has its own metadata.
GROUP_ROWS: Final = 100_000
# Where the footer of a part says what it was made of, and what became of its rows.
PART: Final = b"modelserve.part"
ROW: Final = "{row}"
MAX_REASONS: Final = 100  # of one part


class TooManyErrors(ServeError):
    """More rows failed than --max-errors allows."""

    code = "TOO_MANY_ERRORS"
    status = HTTPStatus.BAD_REQUEST


@dataclass
class Counts:
    rows: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    categories: dict[str, ColumnTexts] = field(default_factory=dict)
    """Of scored rows, in each column whose categories the model knows."""

    @property
    def unknown_categories(self) -> int:
        return sum(one.unknown for one in self.categories.values())

    def add(self, other: Counts) -> None:
        self.rows, self.failed = self.rows + other.rows, self.failed + other.failed
        self.reasons.update(other.reasons)
        for name, texts in other.categories.items():
            self.categories.setdefault(name, ColumnTexts()).add(texts)

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "failed": self.failed,
            "reasons": dict(self.reasons.most_common(MAX_REASONS)),
            "categories": {name: asdict(one) for name, one in self.categories.items()},
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Counts:
        categories = {name: ColumnTexts(**one) for name, one in raw.get("categories", {}).items()}
        return cls(raw["rows"], raw["failed"], Counter(raw["reasons"]), categories)


@dataclass(frozen=True)
class RowIds:
    """A column of ids that are made of a pattern, in which {row} is the row's place in its file."""

    name: str
    pattern: str

    def build(self, first: int, rows: int) -> pa.Array:
        before, _, after = self.pattern.partition(ROW)
        places = pa.array(range(first, first + rows)).cast(pa.string())
        return pc.binary_join_element_wise(before, places, after, "")


def parse_ids(text: str | None) -> RowIds | None:
    """`NAME=PATTERN`. Raises BadSetting."""
    if text is None:
        return None
    name, equals, pattern = text.partition("=")
    if not name or not equals or pattern.count(ROW) != 1:
        raise BadSetting(
            "--id is a name and a pattern with {row} in it, for example --id 'ride_id={year}/{month}_{row}'."
        )
    return RowIds(name, pattern)


def choose_kept(
    file: TableFile, columns: Columns, keep: Sequence[str] | None, ids: RowIds | None
) -> tuple[list[pa.Field], list[str]]:
    """The columns of the input that the output has, and those that it cannot have since their names are taken. By default all
    that the model does not take. Raises BadSetting for one that is asked for."""
    fields = {one.name: one for one in file.fields()}
    taken = {*columns.answers, *OWN_COLUMNS, *([ids.name] if ids else [])}
    if keep is None:
        signature = columns.loaded.signature
        placed = tables.by_position({name: name for name in fields}, signature) if signature else {}
        used = {placed[name] for name in signature.names if name in placed} if signature else set(fields)
        others = [name for name in fields if name not in used]
        kept = [fields[name] for name in others if name not in taken]
        return [*id_fields(ids), *kept], [name for name in others if name in taken]
    for name in keep:
        if name in taken:
            raise BadSetting(f"--keep {name}: the output has a column of that name already.")
        if fields and name not in fields:
            raise BadSetting(f"--keep {name}: the input has no such column; it has {', '.join(fields)}.")
    return [*id_fields(ids), *(fields.get(name, pa.field(name, pa.string())) for name in dict.fromkeys(keep))], []


def check_kept(kept: Sequence[pa.Field]) -> None:
    """Raises BadSetting for a type that Parquet does not support, such as BigQuery's INTERVAL."""
    for one in kept:
        try:
            pq.ParquetWriter(BytesIO(), pa.schema([one])).close()
        except pa.ArrowNotImplementedError:
            raise BadSetting(
                f"The column {one.name} has the type {one.type}, which Parquet does not support: name those to carry over with "
                "--keep."
            ) from None


def id_fields(ids: RowIds | None) -> list[pa.Field]:
    return [pa.field(ids.name, pa.string())] if ids else []


def decide_answers(file: TableFile, scorer: RowScorer) -> dict[str, pa.DataType]:
    """A classifier's are known; for other models the first scored rows decide."""
    loaded, method = scorer.loaded, scorer.method
    if classifies(loaded, method):
        return classifier_columns(loaded)
    samples = (scorer.outcomes(chunk) for chunk in file.chunks(SAMPLE_ROWS))
    seen = next((sample for sample in samples if any(isinstance(outcome, dict) for outcome in sample)), [])
    return other_columns(loaded, method, seen)


def default_batch_rows(signature: Signature | None) -> int:
    """Many, since a native call costs what thousands of rows do; fewer where the model takes many columns, or arrays."""
    if signature is None or not all(isinstance(one.kind, SCALARS) for one in signature.columns):
        return MIN_BATCH_ROWS
    return max(MIN_BATCH_ROWS, min(MAX_BATCH_ROWS, MAX_CELLS // max(1, len(signature.columns))))


@dataclass(frozen=True)
class RowWriter:
    """Scores the rows of `file` into Parquet files with `columns`."""

    file: TableFile
    scorer: RowScorer
    columns: Columns
    batch_rows: int
    ids: RowIds | None = None
    first_row: int = 0
    max_errors: int | None = None

    def write(self, path: Path, advance: Advance, key: str | None = None) -> Counts:
        """With a `key`, the footer of the file has it and the counts."""
        counts = Counts()
        waiting = 0
        group: list[pa.Table] = []
        with pq.ParquetWriter(path, self.columns.schema, use_dictionary=self.columns.repetitive) as writer:
            for table in self.tables(counts):
                group.append(table)
                waiting += len(table)
                advance(len(table))
                if waiting >= GROUP_ROWS:
                    writer.write_table(pa.concat_tables(group))
                    group, waiting = [], 0
            if group:
                writer.write_table(pa.concat_tables(group))
            if key is not None:
                writer.add_key_value_metadata({PART: json.dumps({"key": key, **counts.as_json()}).encode()})
        return counts

    def tables(self, counts: Counts) -> Iterator[pa.Table]:
        names = [one.name for one in self.columns.kept if self.ids is None or one.name != self.ids.name]
        pieces = PieceScorer(self.file, self.scorer, self.columns)
        for piece in self.file.pieces(self.batch_rows, names):
            table, errors, texts = pieces.score(self.with_ids(piece, counts.rows))
            if self.max_errors is not None and counts.failed + len(errors) > self.max_errors:
                last = sorted(errors)[self.max_errors - counts.failed]
                raise TooManyErrors(
                    f"More than {self.max_errors} rows cannot be scored, so nothing was written; the next was "
                    f"row {counts.rows + last}: {errors[last]}."
                )
            counts.add(Counts(piece.rows, len(errors), Counter(errors.values()), texts))
            yield table

    def with_ids(self, piece: Piece, done: int) -> Piece:
        if self.ids is None:
            return piece
        return piece._replace(kept=[self.ids.build(self.first_row + done, piece.rows), *piece.kept])


def unify_kept(kept: Sequence[pa.Field], files: Mapping[str, Sequence[pa.Field]]) -> list[pa.Field]:
    """With types that hold the columns of all files, by name. Raises BadSetting."""
    found = []
    for one in kept:
        kinds = []
        for name, fields in files.items():
            same = next((other for other in fields if other.name == one.name), None if fields else one)
            if same is None:
                raise BadSetting(
                    f"{name} has no column {one.name}, which other files have: name those to keep with --keep."
                )
            kinds.append(pa.schema([same]))
        try:
            found.append(pa.unify_schemas(kinds, promote_options="permissive").field(0))
        except pa.ArrowException:
            raise BadSetting(
                f"The column {one.name} has another type in each of several files: name those to keep with --keep."
            ) from None
    return found
