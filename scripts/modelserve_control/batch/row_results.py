"""The rows of a chunk judged and scored: each ends as its plain result, or as the reason why it has none."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from modelserve.core.errors import Detail, ModelFailed, ServeError, SignatureMismatch
from modelserve.events.records import rows_of
from modelserve.models import scoring
from modelserve.models.scoring import RowResult
from modelserve.models.version import Loaded
from modelserve.payloads.predictions import encode
from modelserve.schema.batch import Batch, Table
from modelserve.schema.signature import MAX_DETAILS
from modelserve_control.batch.chunks import Chunk

Outcome = dict[str, Any] | str
"""The result as the HTTP function would send it, or the reason."""


class Judge(ABC):
    """Takes rows apart until each that is refused stands alone. Who judges and who scores, a subclass says."""

    @abstractmethod
    def check(self, table: Table) -> Batch:
        """Raises SignatureMismatch."""

    @abstractmethod
    def answers(self, batch: Batch) -> list[RowResult]:
        """One per row. Raises ModelFailed when there is none for some of them."""

    def outcomes(self, chunk: Chunk) -> list[Outcome]:
        """One per row, in order."""
        if not chunk.bad:
            return self.judge(chunk.table)
        others = iter(self.judge(chunk.table))
        return [chunk.bad[row] if row in chunk.bad else next(others) for row in range(chunk.rows)]

    def judge(self, table: Table) -> list[Outcome]:
        if not table.rows:
            return []
        try:
            batch = self.check(table)
        except SignatureMismatch as error:
            if table.rows == 1:
                return [reasons(error.details)]
            if len(error.details) >= MAX_DETAILS:  # there may be others, so no row is known to be good
                return self.halves(table)
            return self.apart(table, sorted({row for detail in error.details if (row := detail["row"]) is not None}))
        return self.score(batch)

    def apart(self, table: Table, blamed: Sequence[int]) -> list[Outcome]:
        """The blamed rows by themselves, the others together.

        A blamed row can be good by itself: where a null makes a whole column double, the cell that double cannot hold
        is not named. Then smaller and smaller parts keep the two out of one batch.
        """
        alone = {row: self.judge(rows_of(table, [row]))[0] for row in blamed}
        if not any(isinstance(outcome, str) for outcome in alone.values()):
            return self.halves(table)
        others = iter(self.judge(rows_of(table, [row for row in range(table.rows) if row not in alone])))
        return [alone[row] if row in alone else next(others) for row in range(table.rows)]

    def halves(self, table: Table) -> list[Outcome]:
        middle = table.rows // 2
        parts = (range(middle), range(middle, table.rows))
        return [outcome for part in parts for outcome in self.judge(rows_of(table, part))]

    def score(self, batch: Batch) -> list[Outcome]:
        """When the model raises, by halves down to the rows on which it does: 28 calls for one of 10,000."""
        try:
            found = self.answers(batch)
            return [reason(one) if isinstance(one, ServeError) else one for one in found]
        except ModelFailed as error:
            if batch.rows == 1:
                return [error.message]
            middle = batch.rows // 2
            return self.score(part(batch, 0, middle)) + self.score(part(batch, middle, batch.rows))


class RowScorer(Judge):
    """Scores with the functions' own check and scorer, on the event loop of `runner`."""

    def __init__(self, loaded: Loaded, method: str | None, runner: asyncio.Runner) -> None:
        self.loaded = loaded
        self.method = method
        self.runner = runner

    def check(self, table: Table) -> Batch:
        return scoring.check(self.loaded, table)

    def answers(self, batch: Batch) -> list[RowResult]:
        """As they are after the way through JSON."""
        found = self.runner.run(scoring.row_results(self.loaded, batch, {}, self.method))
        results = iter(msgspec.json.decode(encode([one for one in found if not isinstance(one, ServeError)])))
        return [one if isinstance(one, ServeError) else next(results) for one in found]


def part(batch: Batch, start: int, end: int) -> Batch:
    return Batch({name: column[start:end] for name, column in batch.columns.items()}, end - start)


def reason(error: ServeError) -> str:
    return reasons(error.details) or error.message


def reasons(details: Sequence[Detail]) -> str:
    """Of a row without an answer there is a reason but no column."""
    return "; ".join(": ".join(filter(None, (detail["column"], detail["reason"]))) for detail in details)
