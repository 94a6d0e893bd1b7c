"""What is compared: a model loaded in this process, or a running service."""

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
from modelserve_control.batch.rows.row_results import RowChecker, RowScorer
from modelserve_control.common.progress import Lines


class Subject(RowChecker):
    signature: Signature | None

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """As GET /metadata returns it."""

    @abstractmethod
    def time_row(self, row: Table) -> float:
        """Seconds to score one row. Raises ServeError."""


class Model(RowScorer, Subject):
    """Its results keep infinite values, which JSON would turn into null."""

    def __init__(self, loaded: Loaded, method: str | None, runner: asyncio.Runner) -> None:
        scoring.check_method(loaded, method)
        super().__init__(loaded, method, runner)
        self.signature = loaded.signature

    def document(self) -> dict[str, Any]:
        return metadata.document(self.loaded)

    def predict(self, batch: Batch) -> list[RowResult]:
        return self.runner.run(scoring.row_results(self.loaded, batch, {}, self.method))

    def time_row(self, row: Table) -> float:
        async def score() -> float:
            started = time.perf_counter()
            await scoring.batch_results(self.loaded, self.check(row), {}, self.method)
            return time.perf_counter() - started

        return self.runner.run(score())


@contextmanager
def load_model(uri: str, trust: str, method: str | None) -> Iterator[Model]:
    with models.load_model(uri, trust, Lines()) as found, asyncio.Runner() as runner:
        yield Model(found, method, runner)
