from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from modelserve.core.errors import ModelFailed, Overloaded, SignatureMismatch
from modelserve.models.scorers.inline import INLINE_ROWS, InlineScorer
from modelserve.models.scorers.outputs import RowsMismatch
from modelserve.schema.batch import Batch


class Recording:
    """Says which thread scored; raises what it is told to."""

    kind = "compiled"
    methods = ("predict",)
    classes = None
    mergeable = True

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.threads: list[threading.Thread] = []
        self.gate = threading.Event()
        self.gate.set()

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        self.threads.append(threading.current_thread())
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        return {"predict": batch.columns["x"]}


def batch(rows: int) -> Batch:
    return Batch({"x": np.arange(float(rows))}, rows)


def run(scorer: InlineScorer, rows: int) -> Any:
    return asyncio.run(scorer.score(batch(rows), ("predict",), {}))["predict"].tolist()


def test_small_batches_are_scored_on_the_loops_own_thread_and_large_ones_are_not() -> None:
    runtime = Recording()
    scorer = InlineScorer(runtime, 10_000)
    assert run(scorer, INLINE_ROWS) == list(range(INLINE_ROWS))
    assert run(scorer, INLINE_ROWS + 1) == list(range(INLINE_ROWS + 1))
    assert [thread is threading.main_thread() for thread in runtime.threads] == [True, False]


@pytest.mark.parametrize(
    ("error", "seen"), [(ValueError("secret"), ModelFailed), (SignatureMismatch("no"), SignatureMismatch)]
)
def test_what_a_model_raises_becomes_a_model_failure_and_our_own_errors_stay(error: Exception, seen: type) -> None:
    with pytest.raises(seen) as caught:
        run(InlineScorer(Recording(error), 10), 1)
    assert "secret" not in str(caught.value)


def test_more_rows_than_may_wait_are_refused() -> None:
    runtime = Recording()
    scorer = InlineScorer(runtime, 500)

    async def two() -> list[Any]:
        runtime.gate.clear()
        first = asyncio.create_task(scorer.score(batch(400), ("predict",), {}))
        while not runtime.threads:
            await asyncio.sleep(0)
        second = asyncio.create_task(scorer.score(batch(400), ("predict",), {}))
        await asyncio.wait([second], timeout=10)
        runtime.gate.set()
        return list(await asyncio.gather(first, second, return_exceptions=True))

    first, second = asyncio.run(two())
    assert len(first["predict"]) == 400
    assert isinstance(second, Overloaded)


class Short(Recording):
    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        return {"predict": batch.columns["x"][1:]}


@pytest.mark.parametrize("rows", [1, 2, INLINE_ROWS + 1])
def test_another_number_of_rows_is_no_answer(rows: int) -> None:
    with pytest.raises(RowsMismatch):
        run(InlineScorer(Short(), 10_000), rows)
