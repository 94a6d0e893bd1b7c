from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from modelserve.core.errors import ModelFailed, Overloaded
from modelserve.models.scorers.batching import BatchingScorer
from modelserve.models.scorers.outputs import RowsMismatch
from modelserve.schema.batch import Batch
from tiny import WAIT_SECONDS, Tiny, run, scorer

Request = tuple[list[float], tuple[str, ...], Mapping[str, Any]]


def batch(values: Sequence[Any], dtype: str = "float64") -> Batch:
    return Batch({"x": np.array(values, dtype=dtype)}, len(values))


def plain(*values: float) -> Request:
    return list(values), ("predict",), {}


async def while_busy(runtime: Tiny, made: BatchingScorer, requests: Sequence[Request]) -> list[Any]:
    """The answers to requests that all came while the model was at work on a first one."""
    runtime.gate.clear()
    first = asyncio.create_task(made.score(batch([0.5]), ("predict",), {}))
    await asyncio.to_thread(runtime.busy.wait, WAIT_SECONDS)
    tasks = [asyncio.create_task(made.score(batch(values), methods, params)) for values, methods, params in requests]
    await asyncio.sleep(0)  # each task runs until it is queued
    runtime.gate.set()
    await first
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    return [answer if isinstance(answer, BaseException) else answer["predict"] for answer in answers]


def answers(runtime: Tiny, requests: Sequence[Request], max_batch_rows: int = 100) -> list[Any]:
    with scorer(runtime, max_batch_rows) as made:
        found = run(while_busy(runtime, made, requests))
    return [item.tolist() if isinstance(item, np.ndarray) else item for item in found]


def test_an_idle_model_starts_at_once_with_what_there_is() -> None:
    runtime = Tiny()

    async def one_after_another(made: BatchingScorer) -> None:
        for value in (1.0, 2.0):
            assert (await made.score(batch([value]), ("predict",), {}))["predict"].tolist() == [2 * value]

    with scorer(runtime) as made:
        run(one_after_another(made))
        assert made.calls == 2
    assert runtime.sizes == [1, 1]


def test_requests_that_come_while_it_works_are_merged_and_split_exactly() -> None:
    runtime = Tiny()
    assert answers(runtime, [plain(1, 2), plain(3), plain(4, 5, 6)]) == [[2, 4], [6], [8, 10, 12]]
    assert runtime.sizes == [1, 6]


def test_a_merged_call_keeps_to_its_limit_of_rows() -> None:
    runtime = Tiny()
    assert answers(runtime, [plain(1, 2), plain(3, 4), plain(5), plain(*range(9))], 4) == [
        [2, 4], [6, 8], [10], [2.0 * n for n in range(9)]
    ]  # fmt: skip
    assert runtime.sizes == [1, 4, 1, 4, 4, 1]


def test_other_methods_params_and_dtypes_are_not_merged() -> None:
    runtime = Tiny(methods=("predict", "other"))
    requests: list[Request] = [
        plain(1), ([2], ("predict", "other"), {}), ([3], ("predict",), {"k": 1}), ([4], ("predict",), {"k": True}), plain(5)
    ]  # fmt: skip
    assert answers(runtime, requests) == [[2], [4], [6], [8], [10]]
    assert runtime.sizes == [1, 2, 1, 1, 1]

    async def two_dtypes(made: BatchingScorer) -> list[Any]:
        runtime.gate.clear()
        runtime.busy.clear()
        kinds = ("float64", "float64", "int64")
        tasks = [asyncio.create_task(made.score(batch([1], kind), ("predict",), {})) for kind in kinds]
        await asyncio.to_thread(runtime.busy.wait, WAIT_SECONDS)
        runtime.gate.set()
        return [answer["predict"].dtype.name for answer in await asyncio.gather(*tasks)]

    with scorer(runtime) as made:
        assert run(two_dtypes(made)) == ["float64", "float64", "int64"]


def test_rows_under_other_names_are_not_merged() -> None:
    rows_by_name = {"p": 0, "q": 0}

    def count(rows: Batch) -> Any:
        rows_by_name[rows.names[0]] += rows.rows
        return rows.columns["0"]

    runtime = Tiny(count)

    async def two_names(made: BatchingScorer) -> None:
        runtime.gate.clear()
        rows = [Batch({"0": np.array([1.0])}, 1, names) for names in (("p",), ("p",), ("q",), ("p",))]
        tasks = [asyncio.create_task(made.score(one, ("predict",), {})) for one in rows]
        await asyncio.to_thread(runtime.busy.wait, WAIT_SECONDS)
        runtime.gate.set()
        await asyncio.gather(*tasks)

    with scorer(runtime) as made:
        run(two_names(made))
    assert rows_by_name == {"p": 3, "q": 1}


def refuse_nine(rows: Batch) -> Any:
    if 9 in rows.columns["x"]:
        raise ValueError("secret 9")
    return rows.columns["x"] * 2


def test_a_request_that_fails_does_not_fail_its_neighbours() -> None:
    runtime = Tiny(refuse_nine)
    one, two, three = answers(runtime, [plain(1), plain(9, 2), plain(3)])
    assert (one, three) == ([2], [6])
    assert isinstance(two, ModelFailed)
    assert two.message == "The model raised ValueError on these rows."
    assert runtime.sizes == [1, 4, 1, 2, 1]


class Panic(BaseException):
    """As what a library in Rust raises."""


@pytest.mark.parametrize("raised", [SystemExit(1), asyncio.CancelledError(), Panic()], ids=repr)
def test_a_model_that_would_end_its_thread_fails_its_request_and_the_scorer_goes_on(raised: BaseException) -> None:
    def leaves(rows: Batch) -> Any:
        if rows.rows > 1 or 9 in rows.columns["x"]:
            raise raised
        return rows.columns["x"]

    one, two = answers(Tiny(leaves), [plain(9), plain(3)])
    assert isinstance(one, ModelFailed)
    assert two == [3]


def test_an_output_that_cannot_be_split_is_scored_by_request_and_never_merged_again() -> None:
    runtime = Tiny(lambda rows: {"sum": float(rows.columns["x"].sum())})
    with scorer(runtime) as made:
        assert run(while_busy(runtime, made, [plain(1, 2), plain(3)])) == [{"sum": 3.0}, {"sum": 3.0}]
        assert not made.mergeable
        runtime.busy.clear()
        assert run(while_busy(runtime, made, [plain(1), plain(2)])) == [{"sum": 1.0}, {"sum": 2.0}]
    assert runtime.sizes == [1, 3, 2, 1, 1, 1, 1]


def test_a_model_whose_rows_depend_on_each_other_is_not_merged() -> None:
    runtime = Tiny(mergeable=False)
    assert answers(runtime, [plain(1), plain(2)]) == [[2], [4]]
    assert runtime.sizes == [1, 1, 1]


def test_more_rows_than_may_wait_are_refused_but_one_request_always_fits() -> None:
    runtime = Tiny()

    async def fill(made: BatchingScorer) -> list[Any]:
        requests = [plain(*range(50)), plain(1)]
        return await while_busy(runtime, made, requests)

    with scorer(runtime, max_pending_rows=10) as made:
        large, late = run(fill(made))
        assert len(large) == 50
        assert isinstance(late, Overloaded)
        assert late.message == "More than 10 rows wait for the model, the limit that MAX_PENDING_ROWS sets."
        assert run(made.score(batch([1]), ("predict",), {}))["predict"].tolist() == [2]


def test_a_large_request_is_scored_in_parts_and_others_wait_for_one_of_them() -> None:
    runtime = Tiny()

    async def one_beside_another(made: BatchingScorer) -> Any:
        runtime.gate.clear()
        large = asyncio.create_task(made.score(batch(range(10)), ("predict",), {}))
        await asyncio.to_thread(runtime.busy.wait, WAIT_SECONDS)
        small = asyncio.create_task(made.score(batch([0.5]), ("predict",), {"k": 1}))
        await asyncio.sleep(0)  # until it is queued
        runtime.gate.set()
        assert (await small)["predict"].tolist() == [1.0]
        assert not large.done()
        return (await large)["predict"].tolist()

    with scorer(runtime, max_batch_rows=4) as made:
        assert asyncio.run(one_beside_another(made)) == [2.0 * n for n in range(10)]
    assert runtime.sizes == [4, 1, 4, 2]


def test_an_output_whose_parts_cannot_be_joined_is_asked_for_at_once() -> None:
    runtime = Tiny(lambda rows: {"sum": float(rows.columns["x"].sum())})
    with scorer(runtime, max_batch_rows=2) as made:
        assert asyncio.run(made.score(batch([1, 2, 3]), ("predict",), {}))["predict"] == {"sum": 6.0}
    assert runtime.sizes == [2, 1, 3]


def test_a_large_request_whose_rows_depend_on_each_other_is_one_call() -> None:
    runtime = Tiny(mergeable=False)
    with scorer(runtime, max_batch_rows=2) as made:
        assert run(made.score(batch([1, 2, 3]), ("predict",), {}))["predict"].tolist() == [2, 4, 6]
    assert runtime.sizes == [3]


def test_another_number_of_rows_is_no_answer() -> None:
    runtime = Tiny(lambda rows: rows.columns["x"][1:])
    with scorer(runtime) as made, pytest.raises(RowsMismatch):
        run(made.score(batch([1, 2]), ("predict",), {}))


def test_a_request_that_was_cancelled_is_not_scored() -> None:
    runtime = Tiny()

    async def cancel(made: BatchingScorer) -> None:
        runtime.gate.clear()
        tasks = []
        for value in (1.0, 2.0):
            tasks.append(asyncio.create_task(made.score(batch([value]), ("predict",), {"value": value})))
            await asyncio.to_thread(runtime.busy.wait, WAIT_SECONDS)
        last = asyncio.create_task(made.score(batch([3]), ("predict",), {}))
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        runtime.gate.set()
        await last

    with scorer(runtime) as made:
        run(cancel(made))
    assert [params for _, params in runtime.seen] == [{"value": 1.0}, {}]


def test_an_answer_that_comes_after_its_loop_has_closed_goes_nowhere() -> None:
    runtime = Tiny()
    runtime.gate.clear()

    async def give_up(made: BatchingScorer) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.score(batch([1]), ("predict",), {}), 0.01)

    with scorer(runtime) as made:
        run(give_up(made))
        runtime.gate.set()
        assert run(made.score(batch([2]), ("predict",), {}))["predict"].tolist() == [4]


def retired_while_busy() -> tuple[list[Any], BatchingScorer, weakref.ref[Tiny]]:
    runtime = Tiny()
    made = BatchingScorer(runtime, 100, 1000)

    async def retire_meanwhile() -> list[Any]:
        runtime.gate.clear()
        tasks = [asyncio.create_task(made.score(batch([value]), ("predict",), {"k": value})) for value in (1, 2)]
        await asyncio.to_thread(runtime.busy.wait, WAIT_SECONDS)
        made.retire()
        runtime.gate.set()
        return [answer["predict"].tolist() for answer in await asyncio.gather(*tasks)]

    return run(retire_meanwhile()), made, weakref.ref(runtime)


def test_a_retired_scorer_finishes_what_is_queued_and_frees_the_model() -> None:
    found, made, runtime = retired_while_busy()
    assert found == [[2], [4]]
    made.join(WAIT_SECONDS)
    del made
    gc.collect()
    assert runtime() is None
