from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import tiny
from modelserve.core.errors import ModelFailed, Overloaded, SignatureMismatch
from modelserve.models.scorers.inline import CONCURRENT_TURNS, INLINE_ROWS, InlineScorer
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


async def score(
    scorer: InlineScorer, batch: Batch, methods: tuple[str, ...] = ("predict",), params: Mapping[str, Any] | None = None
) -> Any:
    return await scorer.score(batch, methods, params or {})


def run(scorer: InlineScorer, rows: int) -> Any:
    return asyncio.run(score(scorer, batch(rows)))["predict"].tolist()


def test_small_batches_are_scored_on_the_loops_own_thread_and_large_ones_are_not() -> None:
    runtime = Recording()
    scorer = InlineScorer(runtime, 1_000, 10_000)
    assert run(scorer, INLINE_ROWS) == list(range(INLINE_ROWS))
    assert run(scorer, INLINE_ROWS + 1) == list(range(INLINE_ROWS + 1))
    assert [thread is threading.main_thread() for thread in runtime.threads] == [True, False]


@pytest.mark.parametrize(
    ("error", "seen"), [(ValueError("secret"), ModelFailed), (SignatureMismatch("no"), SignatureMismatch)]
)
def test_what_a_model_raises_becomes_a_model_failure_and_our_own_errors_stay(error: Exception, seen: type) -> None:
    with pytest.raises(seen) as caught:
        run(InlineScorer(Recording(error), 1_000, 10), 1)
    assert "secret" not in str(caught.value)


def test_more_rows_than_may_wait_are_refused() -> None:
    runtime = Recording()
    scorer = InlineScorer(runtime, 1_000, 500)

    async def two() -> list[Any]:
        runtime.gate.clear()
        first = asyncio.create_task(score(scorer, batch(400)))
        while not runtime.threads:
            await asyncio.sleep(0)
        second = asyncio.create_task(score(scorer, batch(400)))
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
        run(InlineScorer(Short(), 1_000, 10_000), rows)


# --- requests that are there at the same time ---


class Doubling(Recording):
    """Twice `x`; raises on a negative one. `calls` has the rows and the methods of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, tuple[str, ...]]] = []

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append((batch.rows, tuple(methods)))
        cells = np.array(batch.columns["x"])
        if cells.min() < 0:
            raise ValueError("negative")
        return {method: cells * (2 if method == "predict" else 3) for method in methods}


def cells(*values: float) -> Batch:
    return Batch.of_cells({"x": values}, len(values), lambda: {"x": np.array(values)})


def ask(scorer: InlineScorer, *asked: tuple[Batch, str], turns: int = 2) -> list[Any]:
    """What the last of several turns of the loop gives: a scorer learns from the one before that several come."""

    async def once() -> list[Any]:
        made = [score(scorer, batch, (method,)) for batch, method in asked]
        found = await asyncio.gather(*made, return_exceptions=True)
        return [
            one if isinstance(one, BaseException) else one[method].tolist()
            for one, (_, method) in zip(found, asked, strict=True)
        ]

    async def run() -> list[Any]:
        for _ in range(turns):
            found = await once()
        return found

    return tiny.run(run())


def test_requests_at_once_are_one_call_and_each_has_its_own_answer() -> None:
    runtime = Doubling()
    asked = [(cells(1), "predict"), (cells(2, 3, 4), "predict"), (cells(5), "triple"), (cells(6), "predict")]
    assert ask(InlineScorer(runtime, 1_000, 100), *asked) == [[2.0], [4.0, 6.0, 8.0], [15.0], [12.0]]
    assert sorted(runtime.calls[:4]) == [(1, ("predict",)), (1, ("predict",)), (1, ("triple",)), (3, ("predict",))]
    assert sorted(runtime.calls[4:]) == [(1, ("triple",)), (5, ("predict",))]


def test_one_that_the_model_does_not_score_takes_none_of_the_others_with_it() -> None:
    first, bad, last = ask(InlineScorer(Doubling(), 1_000, 100), *((cells(x), "predict") for x in (1, -1, 3)))
    assert (first, last) == ([2.0], [6.0])
    assert isinstance(bad, ModelFailed)


async def scored_at_once(scorer: InlineScorer, runtime: Doubling, batch: Batch) -> bool:
    """Whether a request that comes alone is scored before the loop turns."""
    before = len(runtime.calls)
    asked = scorer.score(batch, ("predict",), {})
    at_once = len(runtime.calls) > before
    await asked
    return at_once


def test_a_request_that_comes_alone_waits_for_nobody() -> None:
    runtime = Doubling()
    scorer = InlineScorer(runtime, 1_000, 100)

    async def run() -> list[bool]:
        return [await scored_at_once(scorer, runtime, cells(1)) for _ in range(5)]

    assert tiny.run(run()) == [True] * 5


def test_after_several_at_once_so_many_wait_for_others() -> None:
    runtime = Doubling()
    scorer = InlineScorer(runtime, 1_000, 100)

    async def run() -> list[bool]:
        found = []
        for _ in range(2):
            await asyncio.gather(*(score(scorer, cells(1)) for _ in range(2)))
            found += [await scored_at_once(scorer, runtime, cells(1)) for _ in range(CONCURRENT_TURNS + 2)]
        return found

    assert tiny.run(run()) == [*[False] * CONCURRENT_TURNS, True, True] * 2


def test_a_request_that_fills_a_call_waits_for_nobody() -> None:
    runtime = Doubling()
    scorer = InlineScorer(runtime, 16, 100)

    async def run() -> list[bool]:
        await asyncio.gather(*(score(scorer, cells(1)) for _ in range(2)))
        return [await scored_at_once(scorer, runtime, cells(*range(rows))) for rows in (15, 16, 17)]

    assert tiny.run(run()) == [False, True, True]


def test_one_that_came_alone_between_several_does_not_part_those_behind_it() -> None:
    runtime = Doubling()
    scorer = InlineScorer(runtime, 1_000, 100)
    several = [(cells(1), "predict")] * 3

    async def run() -> None:
        for asked in (several, several[:1], several):
            await asyncio.gather(*(score(scorer, batch, (method,)) for batch, method in asked))

    tiny.run(run())
    assert [rows for rows, _ in runtime.calls] == [1, 1, 1, 1, 3]


def test_what_comes_while_the_first_is_decoded_is_in_the_same_call() -> None:
    runtime = Doubling()
    scorer = InlineScorer(runtime, 1_000, 100)

    async def run() -> list[Any]:
        await asyncio.gather(*(score(scorer, cells(1), ("predict",)) for _ in range(2)))
        first = asyncio.ensure_future(score(scorer, cells(2), ("predict",)))
        await asyncio.sleep(0)  # it waits for others now
        second = asyncio.ensure_future(score(scorer, cells(3), ("predict",)))
        return [one["predict"].tolist() for one in await asyncio.gather(first, second)]

    assert tiny.run(run()) == [[4.0], [6.0]]
    assert runtime.calls[-1] == (2, ("predict",))


@pytest.mark.parametrize("most", [1, 16, 100])
def test_one_call_for_several_has_at_most_so_many_rows(most: int) -> None:
    runtime = Doubling()
    asked = [(cells(*range(16)), "predict")] * 9
    assert ask(InlineScorer(runtime, most, 100), *asked) == [[2.0 * x for x in range(16)]] * 9
    assert max(rows for rows, _ in runtime.calls) == max(16, most // 16 * 16)


def arrays(*values: float) -> Batch:
    return Batch({"x": np.array(values)}, len(values))


class Apart(Doubling):
    mergeable = False


@pytest.mark.parametrize(
    ("runtime", "batch", "params"),
    [
        (Doubling(), arrays(1), {}),
        (Doubling(), cells(1), {"p": 1}),
        (Apart(), cells(1), {}),
    ],
    ids=["arrays", "params", "rows that depend on each other"],
)
def test_what_cannot_be_put_together_is_scored_alone(runtime: Doubling, batch: Batch, params: Any) -> None:
    scorer = InlineScorer(runtime, 1_000, 100)

    async def run() -> None:
        for _ in range(2):
            await asyncio.gather(*(score(scorer, cells(1), ("predict",)) for _ in range(2)))  # so they may be
            await asyncio.gather(*(score(scorer, batch, ("predict",), params) for _ in range(2)))

    tiny.run(run())
    assert runtime.calls[-2:] == [(batch.rows, ("predict",))] * 2


class Summing(Doubling):
    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        return {method: np.array(batch.columns["x"]).sum() for method in methods}


def test_an_answer_without_rows_is_that_of_one_request() -> None:
    asked = [(cells(1), "predict"), (cells(2, 3), "predict"), (cells(4), "predict")]
    assert ask(InlineScorer(Summing(), 1_000, 100), *asked) == [1.0, 5.0, 4.0]


def test_a_request_that_is_given_up_leaves_the_others() -> None:
    scorer = InlineScorer(Doubling(), 1_000, 100)

    async def run() -> list[Any]:
        await asyncio.gather(*(score(scorer, cells(1), ("predict",)) for _ in range(2)))
        first, *others = (asyncio.ensure_future(score(scorer, cells(x), ("predict",))) for x in (1, 2, 3))
        asyncio.get_running_loop().call_soon(first.cancel)  # before they are scored
        return await asyncio.gather(first, *others, return_exceptions=True)

    first, *others = tiny.run(run())
    assert isinstance(first, asyncio.CancelledError)
    assert [one["predict"].tolist() for one in others] == [[4.0], [6.0]]
