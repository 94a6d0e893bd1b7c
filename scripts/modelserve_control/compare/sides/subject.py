"""What is compared: a model that was loaded here, or a running service."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from modelserve.http import metadata
from modelserve.models import scoring
from modelserve.models.scoring import RowResult
from modelserve.models.version import Loaded
from modelserve.schema.batch import Batch, Table
from modelserve.schema.signature import Signature
from modelserve_control.batch import models
from modelserve_control.batch.row_results import Judge, RowScorer
from modelserve_control.common.progress import Lines


class Subject(Judge):
    signature: Signature | None

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """As GET /metadata."""

    @abstractmethod
    def alone(self, row: Table) -> float:
        """Seconds that one row takes. Raises ServeError."""


class Model(RowScorer, Subject):
    """Its answers are those from before JSON makes null of what is not finite."""

    def __init__(self, loaded: Loaded, method: str | None, runner: asyncio.Runner) -> None:
        scoring.check_method(loaded, method)
        super().__init__(loaded, method, runner)
        self.signature = loaded.signature

    def document(self) -> dict[str, Any]:
        return metadata.document(self.loaded)

    def answers(self, batch: Batch) -> list[RowResult]:
        return self.runner.run(scoring.row_results(self.loaded, batch, {}, self.method))

    def alone(self, row: Table) -> float:
        return self.runner.run(self.timed(row))

    async def timed(self, row: Table) -> float:
        """Inside of the event loop, so that starting it is not counted."""
        started = time.perf_counter()
        await scoring.batch_results(self.loaded, self.check(row), {}, self.method)
        return time.perf_counter() - started


@contextmanager
def loaded(uri: str, trust: str, method: str | None) -> Iterator[Model]:
    with models.model(uri, trust, Lines()) as found, asyncio.Runner() as runner:
        yield Model(found, method, runner)
