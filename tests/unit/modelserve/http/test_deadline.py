"""The deadline of a request, and what it leaves alone."""

from __future__ import annotations

import asyncio
import time
from threading import Thread
from typing import Any

import pytest

from modelserve.core.errors import DeadlineExceeded
from modelserve.http.deadline import Deadline, ModelLease
from modelserve.http.endpoint import route_name
from signatures import signature
from tiny import PROMPT_SECONDS, Holding, Tiny, loaded, run

FOREVER = 600.0


async def forever() -> None:
    await asyncio.sleep(10)
    raise AssertionError("nothing has ended this")


async def within(seconds: float, *inner: float) -> None:
    async with Deadline(seconds):
        if inner:
            await within(*inner)
        else:
            await forever()


def test_a_block_that_takes_too_long_is_ended_with_our_own_error() -> None:
    with pytest.raises(DeadlineExceeded, match=r"longer than its limit of 0.01 s"):
        run(within(0.01))


@pytest.mark.parametrize(("outer", "inner"), [(0.01, FOREVER), (FOREVER, 0.01)])
def test_of_two_deadlines_the_first_ends_both_blocks(outer: float, inner: float) -> None:
    with pytest.raises(DeadlineExceeded, match=r"0.01 s"):
        run(within(outer, inner))


def test_what_another_cancels_stays_cancelled() -> None:
    async def main() -> None:
        task = asyncio.create_task(within(FOREVER))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(main())


def test_what_another_cancels_as_the_time_is_up_stays_cancelled() -> None:
    async def main() -> None:
        task = asyncio.create_task(within(0.01))
        await asyncio.sleep(0)
        time.sleep(0.02)  # the loop stands still, and then does both in one turn
        asyncio.get_running_loop().call_later(0, task.cancel)
        await task

    with pytest.raises(asyncio.CancelledError):
        run(main())


def test_after_the_block_nothing_ends_the_task() -> None:
    async def main() -> str:
        async with Deadline(0.0):
            pass
        async with Deadline(0.001):
            pass
        await asyncio.sleep(0.01)
        return "went on"

    assert run(main()) == "went on"


def test_its_own_errors_pass() -> None:
    async def main() -> None:
        async with Deadline(FOREVER):
            raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        run(main())


@pytest.mark.parametrize("ends", ["well", "with an error", "too late", "cancelled"])
def test_a_turn_gives_its_version_back_however_it_ends(ends: str) -> None:
    with loaded(Tiny(), signature(x="double")) as made:

        async def turn() -> None:
            holding: Any = Holding(made)
            async with ModelLease(
                holding, 0.01 if ends == "too late" else FOREVER, asyncio.get_running_loop()
            ) as version:
                assert version is made
                if ends == "with an error":
                    raise ValueError(ends)
                if ends != "well":
                    await forever()

        async def main() -> None:
            task = asyncio.create_task(turn())
            await asyncio.sleep(0)
            if ends == "cancelled":
                task.cancel()
            await asyncio.wait([task], timeout=PROMPT_SECONDS / 2)
            assert task.done()
            expected = {"well": None, "with an error": ValueError, "too late": DeadlineExceeded}
            if ends == "cancelled":
                assert task.cancelled()
            else:
                assert type(task.exception()) is (expected[ends] or type(None))

        run(main())
        closing = Thread(target=made.leases.close, daemon=True)  # waits for ever when the turn still has it
        closing.start()
        closing.join(PROMPT_SECONDS)
        assert not closing.is_alive()


def test_metrics_have_few_routes_whatever_is_asked_for() -> None:
    asked = ["/", "/predict", "/v2/models/a/infer", "/v2/models/b", *(f"/{number}/x" for number in range(9))]
    assert {route_name(path) for path in asked} == {"/", "/predict", "/v2/models", "other"}
