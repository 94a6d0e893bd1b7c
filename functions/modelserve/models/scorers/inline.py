"""Scoring without a queue, for runtimes that answer in microseconds and leave the interpreter to others meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from modelserve.core.errors import ModelFailed, Overloaded, ServeError
from modelserve.models.protocols import Runtime
from modelserve.models.scorers.outputs import score_rows
from modelserve.schema.batch import Batch

logger = logging.getLogger(__name__)

# A batch of so many rows is scored in about half a millisecond; a larger one would keep other requests waiting.
INLINE_ROWS: Final = 256


class InlineScorer:
    """Small batches are scored where they are asked for, large ones on another thread. Sizes in rows."""

    def __init__(self, runtime: Runtime, max_pending_rows: int) -> None:
        self.runtime = runtime
        self.max_pending_rows = max_pending_rows
        self.calls = 0
        self._pending_rows = 0

    async def score(self, batch: Batch, methods: tuple[str, ...], params: Mapping[str, Any]) -> dict[str, Any]:
        """Raises Overloaded, or ModelFailed when the model raises on these rows."""
        self.calls += 1
        if batch.rows <= INLINE_ROWS:
            return self._score(batch, methods, params)
        if self._pending_rows and self._pending_rows + batch.rows > self.max_pending_rows:
            raise Overloaded(f"More than {self.max_pending_rows} rows wait for the model.")
        self._pending_rows += batch.rows
        try:
            return await asyncio.to_thread(self._score, batch, methods, params)
        finally:
            self._pending_rows -= batch.rows

    def _score(self, batch: Batch, methods: tuple[str, ...], params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return score_rows(self.runtime, batch, methods, params)
        except ServeError:
            raise
        except Exception as error:
            logger.error("the model raised", exc_info=True)
            raise ModelFailed(f"The model raised {type(error).__name__} on these rows.") from error

    def retire(self) -> None:
        """Nothing is queued; the session is freed with the last reference to it."""

    def join(self, timeout: float) -> None:
        """There is no thread to wait for."""
