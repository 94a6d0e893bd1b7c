"""One thread per loaded model: requests that arrive while it works are merged into its next call.

An idle model starts with the first request. A busy one, whose last call served several, waits for as many again, at most
half as long as that call took: clients that were answered together come back together.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelserve.core.errors import ModelFailed, Overloaded
from modelserve.models.protocols import Runtime
from modelserve.models.scorers.outputs import RowsMismatch, join, score_rows, split
from modelserve.schema.batch import Batch, concatenate
from modelserve.schema.batch import split as split_batch

logger = logging.getLogger(__name__)

Outputs = dict[str, Any]


@dataclass(slots=True)
class Job:
    batch: Batch
    methods: tuple[str, ...]
    params: Mapping[str, Any]
    key: object
    future: asyncio.Future[Outputs]
    loop: asyncio.AbstractEventLoop

    def finish(self, outputs: Outputs | None, error: BaseException | None) -> None:
        try:
            self.loop.call_soon_threadsafe(settle, self.future, outputs, error)
        except RuntimeError:  # the loop has closed: nobody waits any more
            logger.debug("an answer came after the loop had closed")


def settle(future: asyncio.Future[Outputs], outputs: Outputs | None, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    elif outputs is not None:
        future.set_result(outputs)


class BatchingScorer:
    """Scores batches on its own thread. Sizes in rows."""

    def __init__(self, runtime: Runtime, max_batch_rows: int, max_pending_rows: int) -> None:
        self.runtime = runtime
        self.mergeable = runtime.mergeable
        self.max_batch_rows = max_batch_rows
        self.max_pending_rows = max_pending_rows
        self.calls = 0
        self._concurrent = 1  # how many jobs the next call may expect
        self._linger_seconds = 0.0  # seconds it may wait for them
        self._queue: deque[Job] = deque()
        self._pending_rows = 0
        self._wake = threading.Condition()
        self._retired = False
        self._thread = threading.Thread(target=self._run, name="scorer", daemon=True)
        self._thread.start()

    async def score(self, batch: Batch, methods: tuple[str, ...], params: Mapping[str, Any]) -> Outputs:
        """Raises Overloaded, or ModelFailed when the model raises on these rows.

        A batch of more rows than one call takes is scored in parts, so that other requests wait for one part at most.
        """
        if not self.mergeable or batch.rows <= self.max_batch_rows:
            return await self._submit(batch, methods, params)
        sizes = [min(self.max_batch_rows, batch.rows - start) for start in range(0, batch.rows, self.max_batch_rows)]
        try:
            parts = [await self._submit(part, methods, params) for part in split_batch(batch, sizes)]
        except RowsMismatch:  # how many answers are missing is asked of all rows
            return await self._submit(batch, methods, params)
        joined = {name: join([part[name] for part in parts], sizes) for name in methods}
        if any(output is None for output in joined.values()):
            return await self._submit(batch, methods, params)
        return joined

    async def _submit(self, batch: Batch, methods: tuple[str, ...], params: Mapping[str, Any]) -> Outputs:
        loop = asyncio.get_running_loop()
        dtypes = tuple((name, column.dtype, column.shape[1:]) for name, column in batch.columns.items())
        key = (methods, repr(params) if params else "", dtypes, batch.names)
        job = Job(batch, methods, params, key, loop.create_future(), loop)
        with self._wake:
            if self._pending_rows and self._pending_rows + batch.rows > self.max_pending_rows:
                raise Overloaded.pending_rows(self.max_pending_rows)
            self._pending_rows += batch.rows
            self._queue.append(job)
            self._wake.notify()
        return await job.future

    def retire(self) -> None:
        """Finish what is queued, then free the model."""
        with self._wake:
            self._retired = True
            self._wake.notify()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._retired:
                    self._wake.wait()
                if not self._queue:
                    return
                if self._concurrent > 1:
                    self._wake.wait_for(
                        lambda: len(self._queue) >= self._concurrent or self._retired, self._linger_seconds
                    )
                jobs = self._take()
            started = time.perf_counter()
            self._answer([job for job in jobs if not job.future.done()])
            self._concurrent = len(jobs) + len(self._queue) if self.mergeable else 1
            self._linger_seconds = (time.perf_counter() - started) / 2

    def _take(self) -> list[Job]:
        """The oldest job and, when rows are independent, those behind it that the model can answer with it."""
        first = self._queue.popleft()
        jobs, rows = [first], first.batch.rows
        others: deque[Job] = deque()
        while self.mergeable and self._queue and rows < self.max_batch_rows:
            job = self._queue.popleft()
            if job.key == first.key and rows + job.batch.rows <= self.max_batch_rows:
                jobs.append(job)
                rows += job.batch.rows
            else:
                others.append(job)
        others.extend(self._queue)
        self._queue = others
        self._pending_rows -= rows
        return jobs

    def _answer(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        if len(jobs) > 1:
            merged = self._score_merged(jobs)
            if merged is not None:
                for job, outputs in zip(jobs, merged, strict=True):
                    job.finish(outputs, None)
                return
        for job in jobs:
            self._answer_alone(job)

    def _score_merged(self, jobs: list[Job]) -> list[Outputs] | None:
        """None when the rows must be scored request by request: one of them fails, or the output has no rows."""
        sizes = [job.batch.rows for job in jobs]
        try:
            outputs = self._score(concatenate([job.batch for job in jobs]), jobs[0])
            parts = {name: split(output, sizes) for name, output in outputs.items()}
        except RowsMismatch:
            parts = {"": None}
        except BaseException:
            logger.debug("a merged call failed; its requests are scored one by one", exc_info=True)
            return None
        if any(part is None for part in parts.values()):
            self.mergeable = False
            logger.warning("the model's output does not have one row per row of input; requests are not merged")
            return None
        return [{name: part[place] for name, part in parts.items() if part} for place in range(len(jobs))]

    def _answer_alone(self, job: Job) -> None:
        try:
            job.finish(self._score(job.batch, job), None)
        except ModelFailed as error:
            job.finish(None, error)
        except BaseException as error:  # sys.exit() or a panic in Rust must not end the only thread that answers
            logger.error("the model raised", exc_info=True)
            failure = ModelFailed(f"The model raised {type(error).__name__} on these rows.")
            job.finish(None, failure)

    def _score(self, batch: Batch, job: Job) -> Outputs:
        self.calls += 1
        return score_rows(self.runtime, batch, job.methods, job.params)
