"""The rows of a chunk, checked and scored: each ends as its result, or as the reason why it has none."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from modelserve.core.errors import ModelFailed, ServeError, SignatureMismatch, join_reasons
from modelserve.models import scoring
from modelserve.models.scoring import RowResult
from modelserve.models.version import Loaded
from modelserve.payloads.predictions import encode
from modelserve.schema.batch import Batch, Table, select_rows
from modelserve.schema.signature import MAX_DETAILS
from modelserve_control.batch.files.chunks import Chunk

Outcome = dict[str, Any] | str
"""The result as the HTTP function would send it, or the reason."""


class RowChecker(ABC):
    """Divides the rows until each refused one stands alone. Subclasses check and score."""

    @abstractmethod
    def check(self, table: Table) -> Batch:
        """Raises SignatureMismatch."""

    @abstractmethod
    def predict(self, batch: Batch) -> list[RowResult]:
        """One per row. Raises ModelFailed when some rows have none."""

    def outcomes(self, chunk: Chunk) -> list[Outcome]:
        """One per row, in order."""
        good = iter(self.score_table(chunk.table))
        return [chunk.bad[row] if row in chunk.bad else next(good) for row in range(chunk.rows)]

    def score_table(self, table: Table) -> list[Outcome]:
        if not table.rows:
            return []
        try:
            batch = self.check(table)
        except SignatureMismatch as error:
            if table.rows == 1:
                return [join_reasons(error.details)]
            if len(error.details) >= MAX_DETAILS:  # more rows may be bad, so no row is known to be good
                return self.score_halves(table)
            bad = sorted({row for detail in error.details if (row := detail["row"]) is not None})
            return self.score_separately(table, bad)
        return self.score_batch(batch)

    def score_separately(self, table: Table, bad: Sequence[int]) -> list[Outcome]:
        """Each bad row alone, the others together.

        A bad row may be good alone: a null makes a whole column double, and the cell that a double cannot hold is not the
        one that is named. Then halving separates the two.
        """
        alone = {row: self.score_table(select_rows(table, [row]))[0] for row in bad}
        if not any(isinstance(outcome, str) for outcome in alone.values()):
            return self.score_halves(table)
        others = iter(self.score_table(select_rows(table, [row for row in range(table.rows) if row not in alone])))
        return [alone[row] if row in alone else next(others) for row in range(table.rows)]

    def score_halves(self, table: Table) -> list[Outcome]:
        middle = table.rows // 2
        halves = (range(middle), range(middle, table.rows))
        return [outcome for half in halves for outcome in self.score_table(select_rows(table, half))]

    def score_batch(self, batch: Batch) -> list[Outcome]:
        """When the model raises, halves the batch down to the failing rows: 28 calls for one of 10,000."""
        try:
            results = self.predict(batch)
        except ModelFailed as error:
            if batch.rows == 1:
                return [error.message]
            middle = batch.rows // 2
            halves = (slice_batch(batch, 0, middle), slice_batch(batch, middle, batch.rows))
            return [outcome for half in halves for outcome in self.score_batch(half)]
        return [join_reasons(one.details) or one.message if isinstance(one, ServeError) else one for one in results]


class RowScorer(RowChecker):
    """Uses the functions' own check and scorer, on the event loop of `runner`."""

    def __init__(self, loaded: Loaded, method: str | None, runner: asyncio.Runner) -> None:
        self.loaded = loaded
        self.method = method
        self.runner = runner

    def check(self, table: Table) -> Batch:
        return scoring.check(self.loaded, table)

    def predict(self, batch: Batch) -> list[RowResult]:
        """The values as a client reads them from JSON."""
        found = self.runner.run(scoring.row_results(self.loaded, batch, {}, self.method))
        results = iter(msgspec.json.decode(encode([one for one in found if not isinstance(one, ServeError)])))
        return [one if isinstance(one, ServeError) else next(results) for one in found]


def slice_batch(batch: Batch, start: int, end: int) -> Batch:
    return Batch({name: column[start:end] for name, column in batch.columns.items()}, end - start)
