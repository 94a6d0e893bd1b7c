"""The rows of a piece become the rows of the output: columns stay columns where the cells fit and the model gives arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from modelserve.models import scoring
from modelserve.models.scorers.outputs import score_rows
from modelserve.schema.batch import Batch
from modelserve.schema.texts import Words
from modelserve_control.batch.files.chunks import ArrowFile, Chunk, Piece, TableFile
from modelserve_control.batch.rows.answers import answer_arrays
from modelserve_control.batch.rows.arrow_columns import read_columns
from modelserve_control.batch.rows.columns import Columns
from modelserve_control.batch.rows.inputs import known_texts
from modelserve_control.batch.rows.row_results import RowScorer
from modelserve_control.batch.rows.unknown import ColumnTexts, UnknownCategories

Errors = dict[int, str]


class PieceScorer:
    def __init__(self, file: TableFile, scorer: RowScorer, columns: Columns) -> None:
        self.scorer = scorer
        self.columns = columns
        self.names = file.header().names
        loaded = scorer.loaded
        has_columns = isinstance(file, ArrowFile) and loaded.signature is not None
        self.known = dict(file.known) if has_columns and isinstance(file, ArrowFile) else None
        """The column of the file for each of the signature; None where all rows are decoded."""
        self.unknown = UnknownCategories(known_texts(loaded))

    def score(self, piece: Piece) -> tuple[pa.Table, Errors, dict[str, ColumnTexts]]:
        """One row for each of the piece, in its order, the reasons of those without an answer, and the texts of the others
        in columns of categories."""
        found = self.score_columns(piece) if self.known is not None and piece.arrow is not None else None
        chunk = None
        if found is None:
            chunk = piece.read(None)
            found = self.columns.build(self.scorer.outcomes(chunk))
        answers, errors = found
        texts = self.count_texts(piece, chunk, errors) if self.unknown.known else {}
        return self.columns.table(piece.kept, answers, errors, piece.rows), errors, texts

    def count_texts(self, piece: Piece, chunk: Chunk | None, errors: Errors) -> dict[str, ColumnTexts]:
        if self.known is not None and piece.arrow is not None:
            arrays = {name: piece.arrow.column(own) for name, own in self.known.items() if name in self.unknown.known}
            return self.unknown.count(arrays, errors)
        if chunk is None:
            return {}
        decoded = [row for row in range(chunk.rows) if row not in chunk.bad]
        return self.unknown.count(chunk.table.columns, [at for at, row in enumerate(decoded) if row in errors])

    def score_columns(self, piece: Piece) -> tuple[list[pa.Array], Errors] | None:
        """The answers, and the reasons. Rows with a cell that does not plainly fit are checked one by one. None when the model
        refuses some of the others, or does not give arrays."""
        loaded, method = self.scorer.loaded, self.scorer.method
        if loaded.signature is None or self.known is None:
            return None
        columns, doubtful = read_columns(piece.arrow, self.known, loaded.signature)
        batch = Batch(columns, piece.rows, self.names)
        good, bad = np.flatnonzero(~doubtful), np.flatnonzero(doubtful)
        if bad.size:
            batch = take(batch, good)
        answers: list[pa.Array] | None = []
        if good.size or not bad.size:
            outputs = self.call(batch)
            answers = answer_arrays(loaded, outputs, method, self.columns.answers) if outputs is not None else None
        if answers is None or not bad.size:
            return None if answers is None else (answers, {})
        others, reasons = self.columns.build(self.scorer.outcomes(piece.read(bad)))
        errors = {int(bad[row]): reason for row, reason in reasons.items()}
        if not good.size:
            return others, errors
        order = pa.array(np.argsort(np.concatenate([good, bad]), kind="stable"))
        merged = [pa.concat_arrays(pair).take(order) for pair in zip(answers, others, strict=True)]
        return merged, errors

    def call(self, batch: Batch) -> dict[str, Any] | None:
        """None when the model raises: on which rows is found out by others. On this thread, which has nothing else to do."""
        loaded, method = self.scorer.loaded, self.scorer.method
        params = scoring.check_params(loaded, {})
        try:
            return score_rows(loaded.runtime, batch, scoring.result_methods(loaded, method), params)
        except Exception:
            return None


def take(batch: Batch, rows: Any) -> Batch:
    columns: dict[str, Any] = {
        name: Words(column.words, column.places[rows]) if isinstance(column, Words) else column[rows]
        for name, column in batch.columns.items()
    }
    return Batch(columns, len(rows), batch.names)
