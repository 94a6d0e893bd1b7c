"""Scoring without a queue, for runtimes that answer in microseconds and leave the interpreter to others meanwhile.

A call costs far more than a row in it, so requests that come at the same time are scored in one call. Once two have come in
one turn of the event loop, requests wait for the end of the next turn, and all that have come by then are one call. After
CONCURRENT_TURNS calls in a row for a single request, each is scored as soon as it comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Final, NamedTuple

from modelserve.core.errors import ModelFailed, Overloaded, ServeError
from modelserve.models.protocols import Runtime
from modelserve.models.scorers.outputs import score_rows, split
from modelserve.schema.batch import Batch, concatenate

logger = logging.getLogger(__name__)

# A batch of so many rows is scored in about half a millisecond; a larger one would keep other requests waiting.
INLINE_ROWS: Final = 256
# After several requests at once, so many calls wait for others, although only one request comes for each.
CONCURRENT_TURNS: Final = 16

Outputs = dict[str, Any]


async def ready(outputs: Outputs) -> Outputs:
    return outputs


class Waiting(NamedTuple):
    batch: Batch
    outputs: asyncio.Future[Outputs]


class InlineScorer:
    """Small batches are scored where they are asked for, large ones on another thread. Sizes in rows."""

    def __init__(self, runtime: Runtime, max_batch_rows: int, max_pending_rows: int) -> None:
        self.runtime = runtime
        self.max_batch_rows = max_batch_rows  # of one call for several requests
        self.max_pending_rows = max_pending_rows
        self._pending_rows = 0
        self._concurrent_turns = 0  # that are left, of those that have a request
        self._asked = 0  # in this turn of the loop, while requests come alone
        self._waiting: list[Waiting] = []
        self._waiting_rows = 0
        self._methods: tuple[str, ...] = ()  # what those that wait ask for

    def score(self, batch: Batch, methods: tuple[str, ...], params: Mapping[str, Any]) -> Awaitable[Outputs]:
        """Raises Overloaded, or ModelFailed when the model raises on these rows."""
        if batch.rows > INLINE_ROWS:
            return self._score_on_thread(batch, methods, params)
        if batch.cells is None or batch.rows >= self.max_batch_rows or params or not self.runtime.mergeable:
            return ready(self._score(batch, methods, params))
        if self._is_solo() or (self._waiting and methods != self._methods):
            return ready(self._score(batch, methods, params))
        return self._join(batch, methods)

    async def _score_on_thread(self, batch: Batch, methods: tuple[str, ...], params: Mapping[str, Any]) -> Outputs:
        if self._pending_rows and self._pending_rows + batch.rows > self.max_pending_rows:
            raise Overloaded.pending_rows(self.max_pending_rows)
        self._pending_rows += batch.rows
        try:
            return await asyncio.to_thread(self._score, batch, methods, params)
        finally:
            self._pending_rows -= batch.rows

    def _is_solo(self) -> bool:
        """Whether requests come one by one. Then there is nobody to be scored with."""
        if self._concurrent_turns:
            return False
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._asked += 1
        return True

    def _end_turn(self) -> None:
        self._concurrent_turns = CONCURRENT_TURNS if self._asked > 1 else 0
        self._asked = 0

    def _join(self, batch: Batch, methods: tuple[str, ...]) -> asyncio.Future[Outputs]:
        """What `_score` gives for these rows, scored with all others of this turn of the loop and the next."""
        if self._waiting_rows + batch.rows > self.max_batch_rows:
            self._flush()
        if not self._waiting:
            self._loop = asyncio.get_running_loop()  # asked once for all: it asks the system for the process id
            self._loop.call_soon(self._loop.call_soon, self._flush)
        found: asyncio.Future[Outputs] = self._loop.create_future()
        self._waiting.append(Waiting(batch, found))
        self._waiting_rows += batch.rows
        self._methods = methods
        return found

    def _flush(self) -> None:
        waiting = self._waiting
        if not waiting:  # scored already, to make room
            return
        self._waiting, self._waiting_rows = [], 0
        several = len(waiting) > 1
        self._concurrent_turns = CONCURRENT_TURNS if several else max(0, self._concurrent_turns - 1)
        parts = self._score_together([one.batch for one in waiting]) if several else None
        for place, (batch, future) in enumerate(waiting):
            if future.done():  # its request was given up
                continue
            try:
                # Where one of them is to blame, each is scored by itself.
                future.set_result(parts[place] if parts else self._score(batch, self._methods, {}))
            except ServeError as error:
                future.set_exception(error)

    def _score_together(self, batches: list[Batch]) -> list[Outputs] | None:
        """None when the model does not score these rows together."""
        try:
            found = score_rows(self.runtime, concatenate(batches), self._methods, {})
        except Exception:
            return None
        sizes = [batch.rows for batch in batches]
        parts = [split(output, sizes) for output in found.values()]
        if None in parts:
            return None
        return [dict(zip(found, outputs, strict=True)) for outputs in zip(*parts, strict=True)]

    def _score(self, batch: Batch, methods: tuple[str, ...], params: Mapping[str, Any]) -> Outputs:
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
